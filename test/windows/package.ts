/** The package as npm installs it on Windows: its command, and its client over the pipe. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ROOT } from "../helpers/sources.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { windowsPath } from "../helpers/windows/host.ts";

const windowsTest = onWindows();

/** Of npm's file: the end of the batch before what it starts, which Wine's cmd.exe takes for the end of all. */
const BEYOND_WINE = "goto #_undefined_# 2>NUL || ";

const CLIENT = `
import { connect } from "authd";
import { createRequire } from "node:module";
const { connect: again } = createRequire(import.meta.url)("authd");
const url = "https://api.example.com/";
for (const client of [connect(), again()]) {
  const { accessToken } = await client.getToken({ credential: "orders" });
  const refused = await client.getToken({ credential: "none" }).catch(({ reason }) => reason);
  const elsewhere = { credential: "orders", method: "GET", url: "https://elsewhere.example.com/" };
  const outside = await client.authorizedRequest(elsewhere).catch(({ reason }) => reason);
  console.log([accessToken, refused, outside].join(" "));
  client.close();
}
`;

windowsTest("the packed package works as a command and in programs", async (t, windows) => {
  const home = windowsHome(t, windows, { name: "Åsa's Program Files (x)" });
  const modules = join(home.folder, "node_modules");
  const installed = join(modules, "authd");
  mkdirSync(installed, { recursive: true });
  const pack = ["pack", "--silent", "--ignore-scripts", "--pack-destination", home.folder];
  const name = execFileSync("npm", pack, { cwd: ROOT, encoding: "utf8" }).trim();
  const unpack = ["-xzf", join(home.folder, name), "--strip-components=1", "-C", installed];
  execFileSync("tar", unpack);
  symlinkSync(windows.distribution.modules, join(installed, "node_modules"));
  await linkCommands(installed, home.folder);

  const command = join(home.folder, "authd.cmd");
  const shim = readFileSync(command, "utf8");
  t.true(shim.includes(BEYOND_WINE));
  writeFileSync(command, shim.replace(BEYOND_WINE, ""));
  // Beside cmd.exe, node.exe is all that is on the PATH.
  const folders = [dirname(windows.distribution.node), windows.distribution.system];
  const env = { ...home.env, PATH: folders.map(windowsPath).join(";") };
  const authd = (words: string) => {
    const line = `/d /s /c ""${windowsPath(command)}" ${words}"`;
    return windows.run("cmd.exe", [line], { env, verbatim: true });
  };
  await home.serve();
  t.regex((await authd("--version")).stdout, /^\d+\.\d+\.\d+\n$/);
  await home.addOrders();
  t.is((await authd("get orders")).stdout, "made-up-token\n");
  const refused = await authd('get "none & such (é)"');
  t.is(refused.code, 4);
  t.regex(refused.stderr, /There is no credential "none & such \(é\)"/);

  const program = join(home.folder, "client.mjs");
  writeFileSync(program, CLIENT);
  const said = await windows.run(windows.node, [windowsPath(program)], { env: home.env });
  const expected = "made-up-token unknown_credential origin_not_allowed\n";
  t.is(said.stdout, expected.repeat(2), said.stderr);
});

/** Writes `authd.cmd` and the others with npm's own module. */
async function linkCommands(installed: string, folder: string): Promise<void> {
  const npm = dirname(execFileSync("npm", ["root", "-g"], { encoding: "utf8" }).trim());
  const load = createRequire(join(npm, "node_modules/npm/package.json"));
  const shim = load("cmd-shim") as (from: string, to: string) => Promise<void>;
  await shim(join(installed, "dist/src/main.js"), join(folder, "authd"));
}
