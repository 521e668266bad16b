import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { Desktop, hasDesktop, NOTIFIERS, noteOf } from "../../src/observe/desktop-notifier.ts";
import type { Problem } from "../../src/protocol.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onLinux } from "../helpers/optional.ts";
import { writeProgram } from "../helpers/program.ts";
import { until } from "../helpers/until.ts";

const problem = (credential: string, message = `${credential}: refused`): Problem => ({
  credential,
  reason: "credential_rejected",
  message,
  help: `authd set ${credential}`,
});

test("a note about one says what and what helps, a note about many how many", (t) => {
  t.deepEqual(noteOf([problem("a")]), {
    title: "authd: a needs you",
    body: "a: refused\nNext: authd set a",
  });
  t.deepEqual(noteOf(["a", "b", "c", "d", "e"].map((name) => problem(name))), {
    title: "authd: 5 credentials need you",
    body: "a, b, c and 2 more\nNext: authd status",
  });
  t.is(noteOf([problem("a"), problem("a")]).title, "authd: a needs you");
  const { credential: _, ...vault } = problem("x", "the vault is locked");
  t.is(noteOf([vault]).title, "authd: the vault needs you");
  const long = noteOf([problem("a", `\x1b[2Jred\u202e\n${"x".repeat(1e6)}`)]).body;
  t.true(long.length < 300);
  t.regex(long, /^red xxx/);
});

test("what others wrote is data to every platform's program, never a script or mark-up", (t) => {
  const evil = "'; $(touch x) `y` \" & <b>do shell script \\ -e --help";
  for (const [platform, rows] of Object.entries(NOTIFIERS)) {
    const calm = rows({ title: "title", body: "body" });
    for (const [index, { command, env = {} }] of rows({ title: evil, body: evil }).entries()) {
      const fixed = calm[index]!;
      const differing = command.filter((part, at) => part !== fixed.command[at]);
      t.is(command.length, fixed.command.length);
      // Whole arguments of their own, or variables.
      t.is(differing.length + Object.keys(env).length, 2, platform);
      if (platform !== "linux") for (const part of differing) t.is(part, evil);
      else t.false(differing[1]?.includes("<b>"));
    }
  }
  const [, gdbus] = NOTIFIERS.linux!({ title: "it's", body: "a\\b\n" });
  t.true(gdbus?.command.includes("'it\\'s'"));
  t.true(gdbus?.command.includes("'a\\\\b\\n'"));
});

test("there is a desktop where its variables say so", (t) => {
  t.false(hasDesktop({ PATH: "/bin" }, "linux"));
  t.false(hasDesktop({ DISPLAY: "" }, "linux"));
  for (const name of ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"]) {
    t.true(hasDesktop({ [name]: ":0" }, "linux"));
  }
  t.true(hasDesktop({}, "darwin"));
});

onLinux("the first program that works shows it", async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "shown");
  const said: string[] = [];
  const note = (_: object, message: string) => void said.push(message);
  const desktop = new Desktop(
    { PATH: `${folder}:/bin:/usr/bin` },
    { debug: note, info: note, warn: note, error: note },
    "linux",
  );
  writeProgram(join(folder, "notify-send"), "exit 1");
  writeProgram(join(folder, "gdbus"), `printf '%s\\n' "$0" "$@" > '${file}'`);
  desktop.show([problem("a")]);
  await until(() => existsSync(file));
  t.regex(readFileSync(file, "utf8"), /gdbus\ncall\n--session\n.*'authd: a needs you'\n/s);
  t.deepEqual(said, []);
});

onLinux("where nothing shows it, that is one debug line", async (t) => {
  const levels: string[] = [];
  const note = (level: string) => () => void levels.push(level);
  const log = {
    debug: note("debug"),
    info: note("info"),
    warn: note("warn"),
    error: note("error"),
  };
  const desktop = new Desktop({ PATH: temporaryFolder(t) }, log, "linux");
  desktop.show([problem("a")]);
  await until(() => levels.length > 0);
  desktop.show([problem("b")]);
  const other = new Desktop({}, log, "sunos");
  other.show([problem("a")]);
  await until(() => levels.length > 1);
  t.deepEqual(levels, ["debug", "debug"]);
});
