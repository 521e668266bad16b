/** The package's client in Deno and Bun. In Node it is tested by test/conformance/javascript.ts. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { run } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import type { Program } from "../helpers/conformance/driver.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { missing } from "../helpers/optional.ts";
import { FileScope } from "../helpers/scope.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";
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

/** A program that prints a token in each way that programs print. */
const PRINTS = `
import { connect } from ${JSON.stringify(join(ROOT, "dist/src/client.js"))};
const authd = connect();
const token = await authd.getToken({ credential: "a" });
console.log(token, [token], { token });
console.error("%o %O %s", token, token, token);
authd.close();
`;

const file = new FileScope();
test.after.always(() => file.end());

for (const [name, { path, args, ...packages }] of Object.entries(PACKAGES)) {
  const install = async (): Promise<Program | string> => {
    const wanted = process.platform === "linux" && packages[process.arch as "x64" | "arm64"];
    if (!wanted) return `no npm package of ${name} for ${process.platform} ${process.arch}`;
    const folder = temporaryFolder(file);
    const flags = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    const installing = ["install", ...flags, "--prefix", folder, wanted];
    const { code, stderr } = await run(file, "npm", installing);
    const command = join(folder, "node_modules", wanted, path);
    if (code !== 0 || !existsSync(command)) return `npm can't install ${wanted}: ${stderr}`;
    return { command, args, env: { DENO_NO_UPDATE_CHECK: "1", DENO_DIR: folder } };
  };
  let installed: Promise<Program | string> | undefined;
  const programOf = async (script: string): Promise<Program | string> => {
    installed ??= install();
    const program = await installed;
    if (typeof program === "string") return program;
    return { ...program, args: [...args, script] };
  };

  conformance(name, {
    start: () => programOf(join(ROOT, "clients/javascript/conformance.mjs")),
    features: ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"],
  });

  test.serial(`${name}: what prints a token shows none`, async (t) => {
    const headers = { authorization: "hidden" };
    const result = { accessToken: "hidden", tokenType: "Bearer", expiresAt: null, headers };
    const socket = await startScriptedDaemon(t, () => ({ result }));
    const script = join(temporaryFolder(t), "prints.mjs");
    writeFileSync(script, PRINTS);
    const program = await programOf(script);
    if (typeof program === "string") return missing(t, program);
    const env = { ...process.env, ...program.env, AUTHD_SOCKET: socket };
    const { code, stdout, stderr } = await run(t, program.command, program.args!, { env });
    t.is(code, 0, stderr);
    t.regex(stdout, /Bearer/);
    return t.notRegex(stdout + stderr, /hidden/);
  });
}
