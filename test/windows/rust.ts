/** The Rust client over the named pipe, by the conformance suite. */

import { conformanceOnWindows } from "../helpers/windows/conformance.ts";
import { cargoForWindows, lackingForRust } from "../helpers/windows/rust.ts";

const DRIVER = ["examples/conformance.exe", "--example", "conformance"] as const;

conformanceOnWindows("rust", {
  async start(t, windows) {
    const lacking = await lackingForRust();
    if (lacking !== undefined) return lacking;
    return windows.asProgram(await cargoForWindows(t, "clients/rust", ...DRIVER), []);
  },
  programs: ["cargo"],
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
});
