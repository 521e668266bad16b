import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../errors.ts";

const windows = process.platform === "win32";
const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;
/** Returns a path beside `path` that nobody can foresee and put something at. */
const temporaryFor = (path: string) => `${path}.${randomBytes(6).toString("hex")}.tmp`;

export interface WriteOptions {
  /**
   * `content`: the file is synced before it is put in place, so a power cut leaves the old one or
   * the new one, whole. `folder`: the folder is synced too, so it leaves the new one. `none`: a
   * power cut may leave an empty file; for content that can be made again.
   */
  sync: "none" | "content" | "folder";
  /** Permissions, whatever the umask is; 0600 unless given. */
  mode?: number;
  /** Numbers of its user and group; -1 leaves one as it is. Only `replaceFile` takes it. */
  owner?: { uid: number; gid: number };
}

/**
 * Puts `content` at `path` by a rename: whoever reads, and whenever the process is killed, there is
 * the old file or the new one, whole. A link at `path` is replaced, not followed.
 */
export async function replaceFile(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions,
): Promise<void> {
  await viaTemporary(path, content, options, rename);
}

/** Does the same as `replaceFile` without giving up the thread. */
export function replaceFileNow(
  path: string,
  content: Uint8Array | string,
  { sync, mode = 0o600 }: WriteOptions,
): void {
  const temporary = temporaryFor(path);
  try {
    writeFileSync(temporary, content, { mode: 0o600, flag: "wx", flush: sync !== "none" });
    if (mode !== 0o600) chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    throw withoutName(temporary, path, error);
  } finally {
    rmSync(temporary, { force: true });
  }
  if (sync === "folder") syncFolderNow(dirname(path));
}

export interface CreateOptions {
  /**
   * On a file system without links, as on most USB sticks, the file is renamed into place if nothing
   * is there; one that is made in that very moment is replaced. Without this it is an error.
   */
  renameWithoutLinks?: boolean;
}

/** Puts `content` at `path`, synced with its folder, if nothing is there: else rejects with EEXIST. */
export async function createFile(
  path: string,
  content: Uint8Array | string,
  { renameWithoutLinks = false }: CreateOptions = {},
): Promise<void> {
  await viaTemporary(path, content, { sync: "folder" }, async (temporary) => {
    try {
      // A hard link appears whole or not at all, and unlike a rename replaces nothing.
      await link(temporary, path);
    } catch (error) {
      if (errorCode(error) === "EEXIST" || !renameWithoutLinks) throw error;
      if (existsSync(path))
        throw Object.assign(new Error("EEXIST: file exists"), { code: "EEXIST" });
      await rename(temporary, path);
    }
  });
}

async function viaTemporary(
  path: string,
  content: Uint8Array | string,
  { sync, mode = 0o600, owner }: WriteOptions,
  publish: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryFor(path);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      if (owner) await file.chown(owner.uid, owner.gid);
      if (mode !== 0o600) await file.chmod(mode);
      if (sync !== "none") await file.sync();
    } finally {
      await file.close();
    }
    await publish(temporary, path);
  } catch (error) {
    throw withoutName(temporary, path, error);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  if (sync === "folder") await syncFolder(dirname(path));
}

/** Has an error name the file that was to be written, so that it says the same when it happens again. */
function withoutName(temporary: string, path: string, error: unknown): unknown {
  if (error instanceof Error) error.message = error.message.replaceAll(temporary, path);
  return error;
}

/** Makes renames and deletions in a folder survive a power cut. Windows has no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (windows) return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Does the same as `syncFolder` without giving up the thread. */
export function syncFolderNow(folder: string): void {
  if (windows) return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Removes what writes of this one file that were cut off have left. Nobody may be writing it. */
export function removeLeftoversOf(path: string): void {
  removeLeftovers(dirname(path), (file) => file.replace(TEMPORARY, "") === basename(path));
}

/**
 * Removes the temporary files of writes that were cut off. Nobody else may be writing in `folder`.
 * A file that can't be removed, as on a read-only disk, does no harm.
 */
export function removeLeftovers(folder: string, isIt = (_file: string) => true): void {
  for (const file of readdirSync(folder)) {
    if (!TEMPORARY.test(file) || !isIt(file)) continue;
    try {
      rmSync(join(folder, file), { force: true });
    } catch {
      // The next start tries again.
    }
  }
}
