import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { openOwnPipe } from "../base/windows/own-pipe.ts";

/** How long to try to connect, and the time between two tries (ms), while too many others wait. */
const LIMIT_MS = 10_000;
const PAUSE_MS = 20;
const LOCAL = "\\\\.\\pipe\\";

/**
 * Connects to a named pipe of Windows that is ours, the system's or an administrator's: the very pipe that was looked at.
 * Rejects with the system's error, or with an Error for anyone else's pipe.
 */
export async function connectToOwnPipe(path: string): Promise<Socket> {
  if (!path.startsWith(LOCAL)) throw new Error("it is no named pipe of this machine");
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const fd = openOwnPipe(path);
    if (fd !== undefined)
      return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    if (performance.now() > end) throw new Error("too many others wait");
    await sleep(PAUSE_MS);
  }
}
