/** Files in memory that hold tokens for as long as a child runs. */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { AuthdError, errorCode, messageOf } from "../../errors.ts";

/** statfs(2): file systems that keep files in memory. */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

interface NewFile {
  credential: string;
  /** An absolute path, or the name of a file in `folder`. */
  path: string;
}

export class MemoryFiles {
  /** Paths by credential. */
  readonly #paths = new Map<string, string[]>();
  readonly #descriptors: number[] = [];
  #folder: string | undefined;
  #hasNamed = false;

  /** Folder of the files that were given by name; undefined without one. */
  get folder(): string | undefined {
    return this.#hasNamed ? this.#folder : undefined;
  }

  /** Credentials that have a file. */
  get credentials(): readonly string[] {
    return [...this.#paths.keys()];
  }

  /** Makes a file with the token, for its owner alone. Throws AuthdError for a path that is taken or on a disk. */
  add({ credential, path: given }: NewFile, token: string): void {
    const path = isAbsolute(given) ? given : join(this.#privateFolder(), given);
    this.#hasNamed ||= path !== given;
    if (path === given) assertInMemory(path);
    try {
      writeFileSync(path, token, { flag: "wx", mode: 0o600 });
    } catch (cause) {
      const why =
        errorCode(cause) === "EEXIST" ? "something is there already; it stays" : messageOf(cause);
      throw new AuthdError("request_failed", `--file ${path}: ${why}`, { cause });
    }
    this.#paths.set(credential, [...(this.#paths.get(credential) ?? []), path]);
  }

  /** Opens a file without a name that holds the token. Returns its descriptor. */
  descriptor(token: string): number {
    const path = join(this.#privateFolder(), "descriptor");
    writeFileSync(path, token, { flag: "wx", mode: 0o600 });
    try {
      const descriptor = openSync(path, "r");
      this.#descriptors.push(descriptor);
      return descriptor;
    } finally {
      rmSync(path);
    }
  }

  /** Puts a newer token into the files of a credential: whoever reads gets the old or the new one, whole. */
  replace(credential: string, token: string): void {
    for (const path of this.#paths.get(credential) ?? [])
      replaceFileNow(path, token, { sync: "none" });
  }

  /** Removes everything that was made. */
  remove(): void {
    for (const descriptor of this.#descriptors) closeSync(descriptor);
    for (const path of [...this.#paths.values()].flat()) rmSync(path, { force: true });
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  #privateFolder(): string {
    this.#folder ??= makePrivateFolder();
    return this.#folder;
  }
}

/** Makes a folder for this user alone, in memory. Throws AuthdError if no place in memory may be written to. */
function makePrivateFolder(): string {
  for (const place of placesInMemory()) {
    try {
      return mkdtempSync(join(place, "authd-exec-"));
    } catch {
      // The next one may do.
    }
  }
  throw new AuthdError(
    "request_failed",
    "there is no place in memory (tmpfs) to write to: XDG_RUNTIME_DIR and /dev/shm are none. Give --file an absolute path on one",
  );
}

/** Returns folders in memory; on systems that have none, the user's temporary folder. */
function placesInMemory(): string[] {
  if (process.platform !== "linux") return [tmpdir()];
  const runtime = [process.env.XDG_RUNTIME_DIR, `/run/user/${process.geteuid?.()}`, "/dev/shm"];
  return runtime.filter(
    (place) => place !== undefined && isAbsolute(place) && isInMemory(place),
  ) as string[];
}

function assertInMemory(path: string): void {
  const folder = dirname(path);
  if (process.platform !== "linux" || !existsSync(folder) || isInMemory(folder)) return;
  throw new AuthdError(
    "invalid_params",
    `--file ${path}: ${folder} is on a disk, not in memory (tmpfs). A name alone, without a folder, is put where it belongs`,
  );
}

function isInMemory(folder: string): boolean {
  try {
    return [TMPFS_MAGIC, RAMFS_MAGIC].includes(statfsSync(folder).type);
  } catch {
    return false;
  }
}
