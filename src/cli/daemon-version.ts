import { version } from "../base/version.ts";
import type { StatusResult } from "../protocol.ts";

/** Says on stderr that the running daemon is of another version than this command. */
export function warnOfVersion(daemon: Pick<StatusResult, "version">): void {
  if (daemon.version === version) return;
  process.stderr.write(
    `authd: the running daemon is version ${daemon.version}, this command ${version}: ${RESTART}\n`,
  );
}

/** Completes a sentence about a daemon of an older version. */
export const RESTART = "end it (authd stop) and start it again, or authd service install";
