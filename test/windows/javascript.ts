/** The JavaScript client over the named pipe, by the conformance suite. */

import { join } from "node:path";
import { conformanceOnWindows } from "../helpers/windows/conformance.ts";
import { windowsPath } from "../helpers/windows/host.ts";

conformanceOnWindows("javascript", {
  async start(_, windows) {
    const driver = join(windows.app, "clients/javascript/conformance.mjs");
    return windows.asProgram(windows.node, [windowsPath(driver)]);
  },
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
});
