import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { explainFileError } from "../base/file-error.ts";
import { lastError, libc } from "../base/libc.ts";
import { openAlone } from "../base/windows/file.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";

/** The lock of a vault, for one daemon. The system gives it up when the process ends, however that happens. */
export interface FileLock {
  /** False once the lock file was deleted or its folder replaced: then it protects nothing. */
  held(): boolean;
  release(): Promise<void>;
}

/** Takes the lock. Rejects with an AuthdError that names the process that has the vault open. */
export async function lockVault(dir: string): Promise<FileLock> {
  const path = join(dir, "lock");
  const file = process.platform === "win32" ? openUnshared(dir, path) : openLocked(dir, path);
  leaveNote(file);
  return {
    held() {
      const there = statSync(path, { throwIfNoEntry: false });
      const own = fstatSync(file);
      return there !== undefined && there.ino === own.ino && there.dev === own.dev;
    },
    // The file stays: deleting it would let two others lock two different files by that name.
    release: async () => closeSync(file),
  };
}

const LOCK_EX = 2;
const LOCK_NB = 4;

function openLocked(dir: string, path: string): number {
  const file = openLockFile(path);
  if (libc("int flock(int, int)")?.(file, LOCK_EX | LOCK_NB) === 0) return file;
  const error = lastError("flock");
  const holder = readFileSync(file, "utf8").trim();
  closeSync(file);
  if (error.code === "EAGAIN") throw heldBy(dir, holder);
  throw new AuthdError(
    "internal",
    `The vault's lock ${path} can't be had (${error.message}): its file system may know no ` +
      "locks. Move AUTHD_STATE_DIR to a local disk",
  );
}

/** On Windows a file can be opened so that nobody else may write it, which is a lock. */
function openUnshared(dir: string, path: string): number {
  let file: number | undefined;
  try {
    file = openAlone(path);
  } catch (cause) {
    const text = `The vault's lock ${path} can't be opened: ${messageOf(cause)}`;
    throw new AuthdError("internal", text, { cause });
  }
  if (file === undefined) throw heldBy(dir, readFileSync(path, "utf8").trim());
  return file;
}

/** Writes the process id for `lockVault`'s message. It may fail, as on a full disk: the kernel holds the lock. */
function leaveNote(file: number): void {
  try {
    ftruncateSync(file);
    writeSync(file, `${process.pid}\n`, 0);
  } catch {
    // The message then names no process.
  }
}

const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;

function openLockFile(path: string): number {
  try {
    // A link is not followed: its target would be emptied for the note.
    return openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (cause) {
    // On a disk that became read-only, sealed records can still be served.
    if (errorCode(cause) === "EROFS" && existsSync(path)) return openSync(path, "r");
    throw new AuthdError(
      "internal",
      `The vault's lock ${path} can't be opened: ${explainFileError(cause)}`,
      {
        cause,
      },
    );
  }
}

function heldBy(dir: string, pid: string): AuthdError {
  const who = /^\d+$/.test(pid) ? `another authd (process ${pid})` : "another authd";
  return new AuthdError(
    "internal",
    `The vault ${dir} is in use by ${who}. Stop that one first, ` +
      "or give this one a vault of its own with AUTHD_STATE_DIR",
  );
}
