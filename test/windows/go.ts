/** The Go client over the named pipe, by the conformance suite. */

import { join } from "node:path";
import { run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import type { Scope } from "../helpers/scope.ts";
import { ROOT } from "../helpers/sources.ts";
import { conformanceOnWindows } from "../helpers/windows/conformance.ts";
import { windowsPath } from "../helpers/windows/host.ts";

/** A program of Windows, made by Go's own toolchain with the client's module alone. */
async function build(t: Scope): Promise<string> {
  const driver = join(temporaryFolder(t), "conformance.exe");
  const own = { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off" };
  const target = { GOOS: "windows", GOARCH: "amd64", CGO_ENABLED: "0" };
  const args = ["build", "-o", driver, "./internal/conformance"];
  const options = { cwd: join(ROOT, "clients/go"), env: { ...process.env, ...own, ...target } };
  const { code, stderr } = await run(t, "go", args, options);
  if (code !== 0) throw new Error(stderr);
  return windowsPath(driver);
}

conformanceOnWindows("go", {
  start: async (t, windows) => windows.asProgram(await build(t), []),
  programs: ["go"],
  features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
});
