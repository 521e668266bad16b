/** The package's client in Deno and Bun. In Node it is tested by test/conformance/javascript.ts. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import type { Program } from "../helpers/conformance/driver.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import type { Scope } from "../helpers/scope.ts";
import { ROOT } from "../helpers/sources.ts";

/** npm's packages of the programs themselves, without the ones that choose among them by an install script. */
const PACKAGES = {
  deno: {
    x64: "@deno/linux-x64-glibc",
    arm64: "@deno/linux-arm64-glibc",
    path: "deno",
    args: ["run", "--allow-all", "--quiet"],
  },
  bun: {
    x64: "@oven/bun-linux-x64-baseline",
    arm64: "@oven/bun-linux-aarch64",
    path: "bin/bun",
    args: [],
  },
};

for (const [name, { path, args, ...packages }] of Object.entries(PACKAGES)) {
  const start = async (t: Scope): Promise<Program | string> => {
    const wanted = process.platform === "linux" && packages[process.arch as "x64" | "arm64"];
    if (!wanted) return `no npm package of ${name} for ${process.platform} ${process.arch}`;
    const folder = temporaryFolder(t);
    const flags = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    const { code, stderr } = await run(t, "npm", ["install", ...flags, "--prefix", folder, wanted]);
    const command = join(folder, "node_modules", wanted, path);
    if (code !== 0 || !existsSync(command)) return `npm can't install ${wanted}: ${stderr}`;
    const env = { DENO_NO_UPDATE_CHECK: "1", DENO_DIR: folder };
    return { command, args: [...args, join(ROOT, "clients/javascript/conformance.mjs")], env };
  };
  const features = ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"] as const;
  conformance(name, { start, features });
}
