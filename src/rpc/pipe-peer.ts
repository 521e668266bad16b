/** The process on the other end of a named pipe of Windows. */
import { clientProcessOf, newestPipe } from "../base/windows/pipe.ts";
import { bootTimeMs, withProcess } from "../base/windows/process.ts";
import { isOwnUserOrSystem } from "../base/windows/user.ts";
import { AuthdError } from "../errors.ts";
import type { Peer } from "./peer.ts";

/**
 * Returns who has just connected; call it in the event of the connection. Throws AuthdError `caller_not_allowed` for another
 * user's process, and the system's error where the process can't be told.
 */
export function pipePeer(): Peer {
  const pid = clientProcessOf(newestPipe());
  if (!withProcess(pid, isOwnUserOrSystem)) {
    throw new AuthdError(
      "caller_not_allowed",
      `Process ${pid} of another user may not use this authd. Each user runs an own authd.`,
    );
  }
  return { uid: undefined, pid, connectedAt: bootTimeMs() };
}
