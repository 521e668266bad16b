import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lastError, libc } from "../../base/libc.ts";
import { AuthdError } from "../../errors.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** The pauses between two tries (ms) grow up to this. */
const LONGEST_PAUSE_MS = 20;
/** Far longer than any change takes: then its holder was stopped. */
const LIMIT_MS = 10_000;

export interface FolderLock {
  release(): void;
}

/**
 * Waits for the lock of a folder, which the system gives up when its holder ends. Rejects with AuthdError
 * `internal` after 10 s, and where there are no such locks.
 */
export async function lockFolder(dir: string): Promise<FolderLock> {
  const flock = libc("int flock(int, int)");
  if (!flock) throw new AuthdError("internal", "This system has no locks for a store in a folder.");
  const file = openSync(join(dir, "lock"), "a", 0o600);
  const end = performance.now() + LIMIT_MS;
  try {
    for (let pauseMs = 1; flock(file, LOCK_EX | LOCK_NB) !== 0; pauseMs *= 2) {
      const error = lastError("flock");
      if (error.code !== "EAGAIN" || performance.now() > end) throw error;
      await sleep(Math.min(pauseMs, LONGEST_PAUSE_MS));
    }
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return { release: () => closeSync(file) };
}
