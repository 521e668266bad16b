/** `authd helper install`, `list` and `uninstall`, for one tool: what they do is the same for all. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { helpers } from "../../../src/helpers/index.ts";
import { startHelperDaemon } from "../../helpers/helper-daemon.ts";
import type { Scope } from "../../helpers/scope.ts";

async function start(t: Scope, names: readonly string[]) {
  const origins = Object.fromEntries(names.map((name) => [name, "https://git.example"]));
  const daemon = await startHelperDaemon(t, origins);
  const gitconfig = join(daemon.folder, ".gitconfig");
  const mapping = join(daemon.stateDir, "helpers.toml");
  const helper = (...words: string[]) => daemon.cli(["helper", ...words]);
  return { daemon, gitconfig, mapping, helper };
}

test("install shows what it writes, list says so, and uninstall takes it out again", async (t) => {
  const { daemon, gitconfig, mapping, helper } = await start(t, ["one", "two"]);
  const mine = "[user]\n\tname = me\n";
  writeFileSync(gitconfig, mine);
  const args = ["git", "--for", "git.example=one", "bot@git.example/acme=two"];
  const dry = await helper("install", ...args, "--dry-run");
  t.is(dry.stderr, "");
  t.is(readFileSync(gitconfig, "utf8"), mine);
  t.false(existsSync(mapping));
  t.regex(dry.stdout, /\+ \[credential "https:\/\/git\.example"\]\n +\+ \thelper =\n/);
  const { code, stdout } = await helper("install", ...args);
  t.is(code, 0);
  t.is(stdout.startsWith(dry.stdout), true);
  const written = readFileSync(gitconfig, "utf8");
  t.regex(
    written,
    /^\[user\]\n\tname = me\n\n\[credential "https:\/\/git\.example"\]\n\thelper =\n/,
  );
  t.regex(written, /\n\thelper = "!exec \/.*helper git"\n\tuseHttpPath = true\n$/);
  t.is(
    readFileSync(mapping, "utf8"),
    '[git]\n"git.example" = "one"\n"bot@git.example/acme" = "two"\n',
  );
  t.regex((await helper("install", ...args)).stdout, /^Everything is there already\./);
  t.is(readFileSync(gitconfig, "utf8"), written);
  const { helpers: listed } = JSON.parse((await helper("list", "--json")).stdout);
  t.deepEqual(listed.find(({ tool }: { tool: string }) => tool === "git").parts, [
    { target: "git.example", credential: "one" },
    { target: "bot@git.example/acme", credential: "two" },
  ]);
  const undone = await helper("uninstall", "git");
  t.is(undone.code, 0);
  t.regex(undone.stdout, /- \tuseHttpPath = true/);
  t.is(readFileSync(gitconfig, "utf8"), mine);
  t.false(existsSync(mapping));
  t.false(existsSync(join(daemon.stateDir, "helpers.json")));
  t.regex((await helper("uninstall", "git")).stdout, /nothing to undo/);
});

test("another credential takes the place of the one before; what is broken is told", async (t) => {
  const { daemon, gitconfig, mapping, helper } = await start(t, ["one", "two"]);
  await helper("install", "git", "--for", "git.example=one");
  const { stdout } = await helper("install", "git", "--for", "git.example=two");
  t.regex(stdout, /- "git\.example" = "one"\n[^+]+\+ "git\.example" = "two"/);
  t.is(readFileSync(mapping, "utf8"), '[git]\n"git.example" = "two"\n');
  t.regex((await helper("list")).stdout, /^git +set up +git\.example: two$/m);
  await daemon.cli(["remove", "two", "--yes"]);
  t.regex((await helper("list")).stdout, /^git +broken +there is no credential two$/m);
  writeFileSync(gitconfig, "[user]\n");
  t.regex(
    (await helper("list")).stdout,
    /^git +broken +what was written to .*gitconfig is not there/m,
  );
  t.regex((await helper("uninstall", "git")).stdout, /was changed since/);
  t.is(readFileSync(gitconfig, "utf8"), "[user]\n");
});

test("a mistake changes nothing", async (t) => {
  const { gitconfig, mapping, helper } = await start(t, ["one", "two"]);
  for (const [args, code, message] of [
    [["git", "--for", "git.example=nothing"], 4, /There is no credential nothing/],
    [["git", "--for", "elsewhere.example"], 2, /Which credential is for elsewhere\.example\?/],
    [["git", "--for", "git.example"], 2, /one, two are all for https:\/\/git\.example/],
    [["git", "--for", "=one"], 2, /write it like/],
    [["git", "--for", "ftp://x=one"], 2, /is no host/],
    [["gti"], 2, /Did you mean "git"\?/],
  ] as const) {
    const said = await helper("install", ...args);
    t.is(said.code, code, args.join(" "));
    t.regex(said.stderr, message);
  }
  t.false(existsSync(gitconfig) || existsSync(mapping));
  // The mapping would be written first: it is taken back.
  mkdirSync(gitconfig);
  const { code } = await helper("install", "git", "--for", "git.example=one");
  t.is(code, 2);
  t.false(existsSync(mapping));
});

test("a mistake takes nothing back that was there before", async (t) => {
  const { daemon, helper } = await start(t, ["one"]);
  const config = join(daemon.folder, ".aws", "config");
  await helper("install", "aws", "--for", "default=one");
  const written = `${readFileSync(config, "utf8")}[profile mine]\ncredential_process = mine\n`;
  writeFileSync(config, written);
  const { code } = await helper("install", "aws", "--for", "default=one", "mine=one");
  t.is(code, 2);
  t.is(readFileSync(config, "utf8"), written);
  t.regex((await helper("list")).stdout, /^aws +set up +default: one$/m);
});

test("every tool is listed, with what it is for", async (t) => {
  const { helper } = await start(t, []);
  const { stdout } = await helper("list");
  for (const [tool, { summary }] of Object.entries(helpers))
    t.true(
      stdout.split("\n").some((line) => line.startsWith(tool) && line.endsWith(summary)),
      tool,
    );
  t.is((await helper()).code, 2);
});
