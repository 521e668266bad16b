import test from "ava";
import { commands } from "../../src/cli/commands.ts";
import { makeHome } from "../helpers/daemon.ts";

test("help lists every command, and each command has its own", async (t) => {
  const { cli } = makeHome(t);
  const help = await cli(["--help"]);
  t.is(help.code, 0);
  for (const [name, { summary }] of Object.entries(commands)) {
    t.regex(help.stdout, new RegExp(`^ {2}${name}\\b.* ${summary}$`, "m"), name);
  }
  t.true(Math.max(...help.stdout.split("\n").map((line) => line.length)) <= 80);
  const own = await Promise.all(Object.keys(commands).map((name) => cli([name, "--help"])));
  for (const { code, stdout } of own) {
    t.is(code, 0);
    t.regex(stdout, /^Usage: authd \w+/);
  }
});

test("without a command: help on stderr, exit 2; --version: the package's", async (t) => {
  const { cli } = makeHome(t);
  const nothing = await cli([]);
  t.is(nothing.code, 2);
  t.is(nothing.stdout, "");
  t.regex(nothing.stderr, /^Usage: authd COMMAND/);
  const version = await cli(["--version"]);
  t.is(version.code, 0);
  t.regex(version.stdout, /^\d+\.\d+\.\d+/);
});

test("a slip of the fingers gets the nearest word", async (t) => {
  const { cli } = makeHome(t);
  for (const [args, wanted] of [
    [["gte", "x"], /unknown command 'gte'\n {2}Did you mean get\?/],
    [["list", "--jsno"], /unknown option '--jsno'\n {2}Did you mean --json\?/],
    [["completion", "tcsh"], /bash, zsh, fish/],
    [["service", "start"], /install, uninstall, status/],
    [["list", "more"], /too many arguments/],
  ] as const) {
    const { code, stdout, stderr } = await cli(args);
    t.is(code, 2);
    t.is(stdout, "");
    t.regex(stderr, /^authd: /);
    t.regex(stderr, wanted);
  }
});
