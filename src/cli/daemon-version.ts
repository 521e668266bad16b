import { version } from "../base/version.ts";
import { AuthdError } from "../errors.ts";
import type { StatusResult } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";

/** Says on stderr that the running daemon is of another version than this command. */
export function warnOfVersion(daemon: Pick<StatusResult, "version">): void {
  if (daemon.version === version) return;
  process.stderr.write(
    `authd: the running daemon is version ${daemon.version}, this command ${version}: ${RESTART}\n`,
  );
}

/** Returns the error where the daemon does not tell `what`: it is older than this command, or the socket a restricted one. */
export async function notTold(name: string, what: string): Promise<AuthdError> {
  const daemon = await callDaemon("status", {});
  const details = { credential: name };
  if (daemon.version !== version) {
    const text = `${name}: the running authd is too old to tell ${what}: ${RESTART}`;
    return new AuthdError("internal", text, details);
  }
  const text = `${name}: this socket does not tell ${what}: do that where authd runs`;
  return new AuthdError("caller_not_allowed", text, details);
}

/** Completes a sentence about a daemon of an older version. */
const RESTART = "end it (authd stop) and start it again, or authd service install";
