/** The package's own client in Node, by the suite that all clients must pass. */
import { join } from "node:path";
import { conformance } from "../helpers/conformance/conformance.ts";
import { ROOT } from "../helpers/sources.ts";

conformance("javascript", {
  start: () => ({
    command: process.execPath,
    args: [join(ROOT, "clients/javascript/conformance.mjs")],
  }),
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
});
