import { createHash } from "node:crypto";
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
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { explainFileError } from "../base/file-error.ts";
import { lastError, libc } from "../base/libc.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";

/** The lock of a vault, for one daemon. The system gives it up when the process ends, however that happens. */
export interface FileLock {
  /** False once the lock file was deleted or its folder replaced: then it protects nothing. */
  held(): boolean;
  release(): Promise<void>;
}

/** Takes the lock. Rejects with an AuthdError that names the process that has the vault open. */
export async function lockVault(dir: string): Promise<FileLock> {
  const flock = libc("int flock(int, int)");
  if (!flock) {
    const hash = createHash("sha256").update(resolve(dir).toLowerCase()).digest("hex");
    return lockByListening(dir, `\\\\.\\pipe\\authd-vault-${hash}`);
  }
  return lockByFile(dir, flock);
}

const LOCK_EX = 2;
const LOCK_NB = 4;

async function lockByFile(dir: string, flock: (...args: unknown[]) => number): Promise<FileLock> {
  const path = join(dir, "lock");
  const file = openLockFile(path);
  if (flock(file, LOCK_EX | LOCK_NB) !== 0) {
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

/** Writes the process id for `lockVault`'s message. It may fail, as on a full disk: the kernel holds the lock. */
function leaveNote(file: number): void {
  try {
    ftruncateSync(file);
    writeSync(file, `${process.pid}\n`, 0);
  } catch {
    // The message then names no process.
  }
}

/** Windows has neither of the last two flags. */
const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

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

/** Locks on systems without flock: one process can listen on a named pipe, which ends with it. */
export async function lockByListening(dir: string, address: string): Promise<FileLock> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((done, failed) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      failed(
        error.code === "EADDRINUSE"
          ? heldBy(dir, "")
          : new AuthdError("internal", `The vault ${dir} can't be locked: ${messageOf(error)}`),
      );
    });
    server.listen(address, done);
  });
  server.unref();
  return {
    held: () => true,
    release: () => new Promise((done) => void server.close(() => done())),
  };
}

function heldBy(dir: string, pid: string): AuthdError {
  const who = /^\d+$/.test(pid) ? `another authd (process ${pid})` : "another authd";
  return new AuthdError(
    "internal",
    `The vault ${dir} is in use by ${who}. Stop that one first, ` +
      "or give this one a vault of its own with AUTHD_STATE_DIR",
  );
}
