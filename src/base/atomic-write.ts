import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { link, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AuthdError, errorCode, messageOf } from "../errors.ts";

const windows = process.platform === "win32";
const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;
const temporaryFor = (path: string) => `${path}.${randomBytes(6).toString("hex")}.tmp`;

/**
 * Puts `bytes` at `path` (mode 0600) by a rename: whoever looks, or whenever the process is killed,
 * it is the old file or the new one. That holds in a power cut too, because the content is always
 * synced first: a file is rewritten for a cached token, but holds what can't be obtained again.
 * `durable` also syncs the folder, so that after it has resolved it is the new one for certain.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
  { durable }: { durable: boolean },
): Promise<void> {
  await viaTemporary(path, bytes, durable, rename);
}

/** Puts `bytes` at `path`, durably, only if nothing is there: otherwise rejects with EEXIST. */
export async function createFile(path: string, bytes: Uint8Array): Promise<void> {
  // A hard link appears whole or not at all, and unlike a rename replaces nothing.
  await viaTemporary(path, bytes, true, link);
}

async function viaTemporary(
  path: string,
  bytes: Uint8Array,
  durable: boolean,
  publish: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryFor(path);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(temporary, path);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  if (durable) await syncFolder(dirname(path));
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

/** The same without a pause. */
export function syncFolderNow(folder: string): void {
  if (windows) return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes the folder, durably, and closes it to everybody else. Throws an AuthdError that names it,
 * also if it is another user's, who could replace what is in it.
 */
export function makePrivateFolder(folder: string): void {
  try {
    const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (first !== undefined) syncParents(folder, dirname(first));
    const { mode, uid } = statSync(folder);
    if (uid !== 0 && uid !== (process.geteuid?.() ?? uid)) throw new Error(foreign(uid));
    if (!windows && mode & 0o077) chmodSync(folder, 0o700);
  } catch (cause) {
    throw new AuthdError(
      "internal",
      `The vault's folder ${folder} can't be made, or closed to others: ${explain(cause)}`,
      { cause },
    );
  }
}

const foreign = (uid: number) =>
  `it belongs to another user (uid ${uid}), who could replace what is in it; move it away`;

/** Makes the names of new folders, from `folder` up to the one in `top`, survive a power cut. */
function syncParents(folder: string, top: string): void {
  if (windows) return;
  for (let parent = dirname(folder); parent.length >= top.length; parent = dirname(parent)) {
    syncIfReadable(parent);
    if (parent === dirname(parent)) return;
  }
}

/** One may make folders where one may not look, and a folder must be opened to be synced. */
function syncIfReadable(folder: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(folder, "r");
  } catch {
    return;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Removes what writes left behind that never came to their end. Nobody else may be writing. What
 * can't be removed, as on a disk that is read-only, does no harm.
 */
export function removeLeftovers(folder: string): void {
  for (const file of readdirSync(folder)) {
    if (!TEMPORARY.test(file)) continue;
    try {
      rmSync(join(folder, file), { force: true });
    } catch {
      // It is tried again at the next start.
    }
  }
}

/** What to do about a file system's error, by its code. */
const advice: Record<string, string> = {
  ENOSPC: "the disk is full; free some space",
  EDQUOT: "the disk quota is used up; free some space",
  EACCES: "permission denied; give its owner, who must run authd, the right to write there",
  EPERM: "not permitted; give its owner, who must run authd, the right to write there",
  EROFS: "the file system is read-only; mount it writable or move AUTHD_STATE_DIR",
  EFBIG: "a limit on the size of files is met; raise it (ulimit -f)",
  ENOENT: "the folder is gone; restart authd or create it again",
  EEXIST: "something that is no folder is in its place; move that away",
  ENOTDIR: "something that is no folder is in its place; move that away",
  EIO: "the disk reports an error; look at the system's log before trusting it further",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
};

/** What a file system's error means and what to do about it, with its code. */
export function explain(error: unknown): string {
  const code = errorCode(error);
  const known = code === undefined ? undefined : advice[code];
  return known ? `${known} (${code})` : messageOf(error);
}
