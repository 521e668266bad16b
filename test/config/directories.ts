import { homedir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { configDir, stateDir } from "../../src/config/config.ts";

test("AUTHD_CONFIG_DIR and AUTHD_STATE_DIR win, and become absolute", (t) => {
  const env = { AUTHD_CONFIG_DIR: "/c", AUTHD_STATE_DIR: "s", XDG_CONFIG_HOME: "/x", HOME: "/h" };
  t.is(configDir(env), "/c");
  t.is(stateDir(env), join(process.cwd(), "s"));
});

test("XDG's folders, unless they are empty or relative", (t) => {
  const env = { XDG_CONFIG_HOME: "/x/c", XDG_STATE_HOME: "/x/s", HOME: "/h" };
  t.is(configDir(env, "linux"), "/x/c/authd");
  t.is(stateDir(env, "linux"), "/x/s/authd");
  const odd = { XDG_CONFIG_HOME: "", XDG_STATE_HOME: "here", HOME: "/h" };
  t.is(configDir(odd, "linux"), "/h/.config/authd");
  t.is(stateDir(odd, "linux"), "/h/.local/state/authd");
});

test("each platform's own place", (t) => {
  t.is(configDir({ HOME: "/h" }, "darwin"), "/h/Library/Application Support/authd");
  t.is(stateDir({ HOME: "/h" }, "darwin"), "/h/Library/Application Support/authd");
  t.is(configDir({ APPDATA: "/roaming" }, "win32"), join("/roaming", "authd"));
  t.is(stateDir({ LOCALAPPDATA: "/local" }, "win32"), join("/local", "authd"));
  t.is(configDir({}, "linux"), join(homedir(), ".config/authd"));
});
