/** The JavaScript client over the named pipe, by the conformance suite. */

import { join } from "node:path";
import { conformance } from "../helpers/conformance/conformance.ts";
import { lackingForWindows } from "../helpers/windows/distribution.ts";
import { Windows, windowsPath } from "../helpers/windows/host.ts";

let machine: Windows | undefined;
conformance("javascript on Windows", {
  async start(t) {
    const lacking = lackingForWindows();
    if (lacking !== undefined) return lacking;
    machine = await Windows.start(t);
    const driver = windowsPath(join(machine.app, "clients/javascript/conformance.mjs"));
    return machine.asProgram(machine.node, [driver]);
  },
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
  reach: (socket) => machine!.publish(socket),
});
