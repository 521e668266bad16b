import { stepsOf } from "../launchd.ts";
import type { ServiceManager } from "../manager.ts";
import { commandInPlist, plistOf } from "../plist.ts";
import { MACOS } from "./places.ts";

const LABEL = "authd-system";
const LOG = "/Library/Logs/authd-system.log";

/** Describes a LaunchDaemon of macOS. Its accounts are made by hand: see docs/system-wide.md. */
export const launchDaemon: ServiceManager = {
  name: "launchd",
  comment: { open: "<!--", close: " -->", line: 1 },
  files: ({ node, main, variables }) => [
    {
      path: `/Library/LaunchDaemons/${LABEL}.plist`,
      content: plistOf(
        { label: LABEL, log: LOG, user: MACOS.user },
        {
          ...{ node, main },
          variables: {
            ...variables,
            AUTHD_SOCKET: MACOS.socket,
            AUTHD_CONFIG_DIR: MACOS.configDir,
            AUTHD_STATE_DIR: MACOS.stateDir,
          },
        },
      ),
    },
  ],
  commandIn: commandInPlist,
  ...stepsOf("system", `system/${LABEL}`),
  customize: "keep a copy of your own under another name",
  hints: async () => [`Its log is ${LOG}`],
};
