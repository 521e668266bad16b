import test from "ava";
import { browserCommand, hasScreen, openBrowser } from "../../src/base/open-browser.ts";

const URL = "https://login.example/authorize?state=a&scope=openid%20email";

test("the address is one argument of the platform's own program: no shell reads it", (t) => {
  t.deepEqual(browserCommand(URL, "linux"), ["xdg-open", URL]);
  t.deepEqual(browserCommand(URL, "darwin"), ["open", URL]);
  t.deepEqual(browserCommand(URL, "win32"), ["rundll32", "url.dll,FileProtocolHandler", URL]);
});

test("a screen is told by the environment; over SSH there is none", (t) => {
  t.false(hasScreen({}, "linux"));
  t.true(hasScreen({ DISPLAY: ":0" }, "linux"));
  t.true(hasScreen({ WAYLAND_DISPLAY: "wayland-0" }, "linux"));
  t.true(hasScreen({}, "darwin"));
  t.false(hasScreen({ DISPLAY: "localhost:10.0", SSH_CONNECTION: "a b c d" }, "linux"));
});

test("nothing but a web address is opened; a program that is missing opens nothing", async (t) => {
  for (const address of ["file:///etc/passwd", "-h", "javascript:alert(1)", ""]) {
    t.false(await openBrowser(address, process.env));
  }
  t.false(await openBrowser(URL, { PATH: "/nowhere" }));
});
