/** The package as npm installs it on Windows: its command, and its client over the pipe. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ROOT } from "../helpers/sources.ts";
import { onWindows, windowsHome } from "../helpers/windows/home.ts";
import { windowsPath } from "../helpers/windows/host.ts";

const windowsTest = onWindows();

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
  const home = windowsHome(t, windows, { name: "Program Files (x)" });
  const modules = join(home.folder, "node_modules");
  const installed = join(modules, "authd");
  mkdirSync(installed, { recursive: true });
  const pack = ["pack", "--silent", "--ignore-scripts", "--pack-destination", home.folder];
  const name = execFileSync("npm", pack, { cwd: ROOT, encoding: "utf8" }).trim();
  const unpack = ["-xzf", join(home.folder, name), "--strip-components=1", "-C", installed];
  execFileSync("tar", unpack);
  symlinkSync(windows.distribution.modules, join(installed, "node_modules"));
  await linkCommands(installed, home.folder);

  // Wine's cmd.exe does not know all that npm's file needs: the command in it is run without it.
  const shim = readFileSync(join(home.folder, "authd.cmd"), "utf8");
  const [, main = ""] = /"%dp0%\\([^"]*main\.js)"/.exec(shim) ?? [];
  const command = windowsPath(join(home.folder, main.replaceAll("\\", "/")));
  const authd = (...words: string[]) =>
    windows.run(windows.node, [command, ...words], { env: home.env });
  await home.serve();
  t.regex((await authd("--version")).stdout, /^\d+\.\d+\.\d+\n$/);
  await home.addOrders();
  t.is((await authd("get", "orders")).stdout, "made-up-token\n");

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
