import { rmSync } from "node:fs";

const ATTEMPTS = 10;
const PAUSE_MS = 50;

/**
 * Removes a folder and all in it, also while a program or a write of this process that is ending
 * puts another file there. `maxRetries` of Node's `rmSync` does not look for new files.
 * Throws the system's error if the folder still can't be removed after half a second.
 */
export function removeFolder(folder: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
