import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { browserCommands, hasScreen, openBrowser } from "../../src/base/open-browser.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onLinux } from "../helpers/optional.ts";

const URL = "https://login.example/authorize?state=a&scope=openid%20email";
const WSL = { WSL_DISTRO_NAME: "Debian" };

test("the address is one argument of the platform's own program: no shell reads it", (t) => {
  t.deepEqual(browserCommands(URL, {}, "linux"), [["xdg-open", URL]]);
  t.deepEqual(browserCommands(URL, {}, "darwin"), [["open", URL]]);
  t.deepEqual(browserCommands(URL, {}, "win32"), [
    ["rundll32", "url.dll,FileProtocolHandler", URL],
  ]);
  t.deepEqual(browserCommands(URL, WSL, "linux"), [
    ["wslview", URL],
    ["xdg-open", URL],
  ]);
});

test("a screen is told by the environment; over SSH there is none", (t) => {
  t.false(hasScreen({}, "linux"));
  t.true(hasScreen({ DISPLAY: ":0" }, "linux"));
  t.true(hasScreen({ WAYLAND_DISPLAY: "wayland-0" }, "linux"));
  t.true(hasScreen({}, "darwin"));
  t.true(hasScreen(WSL, "linux"));
  t.false(hasScreen({ ...WSL, SSH_CONNECTION: "a b c d" }, "linux"));
  t.false(hasScreen({ DISPLAY: "localhost:10.0", SSH_CONNECTION: "a b c d" }, "linux"));
});

test("nothing but a web address is opened; a program that is missing opens nothing", async (t) => {
  for (const address of ["file:///etc/passwd", "-h", "javascript:alert(1)", ""]) {
    t.false(await openBrowser(address, process.env));
  }
  t.false(await openBrowser(URL, { PATH: "/nowhere" }));
});

onLinux("where the first program opens nothing the next one is tried", async (t) => {
  const folder = temporaryFolder(t);
  const program = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  program("wslview", `printf %s "$*" > '${first}'; exit 3`);
  program("xdg-open", `printf %s "$*" > '${second}'`);
  t.true(await openBrowser(URL, { PATH: folder, ...WSL }));
  t.is(readFileSync(first, "utf8"), URL);
  t.is(readFileSync(second, "utf8"), URL);
  program("wslview", "exit 0");
  program("xdg-open", "exit 3");
  t.true(await openBrowser(URL, { PATH: folder, ...WSL }));
  t.false(await openBrowser(URL, { PATH: folder }));
});
