/** What git does with authd's tokens where its settings name other helpers, and what authd says of it. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run } from "../helpers/child.ts";
import { MAIN } from "../helpers/daemon.ts";
import { startHelperDaemon } from "../helpers/helper-daemon.ts";
import { absent, missing } from "../helpers/optional.ts";

const TOKEN = "practice-token-of-mine";
const ORIGIN = "https://git.example";

/** A daemon with a credential for a host, and git, both in a folder that may be a repository. */
async function startHome(t: ExecutionContext) {
  const daemon = await startHelperDaemon(t, { mine: ORIGIN });
  const { folder } = daemon;
  const gitconfig = join(folder, ".gitconfig");
  const stored = join(folder, "stored");
  const env = { ...daemon.env, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1" };
  const git = (...words: string[]) => run(t, "git", words, { cwd: folder, env });
  const helper = (...words: string[]) =>
    run(t, process.execPath, [MAIN, "helper", ...words], { cwd: folder, env });
  /** Has git use a token once; returns whether that wrote it to the disk. */
  const isStored = async () => {
    const asked = `protocol=https\nhost=git.example\npath=acme/x.git\n\n`;
    writeFileSync(join(folder, "asked"), asked);
    const script = "git credential fill <asked >filled && git credential approve <filled";
    const { code, stderr } = await run(t, "sh", ["-c", script], { cwd: folder, env });
    t.is(code, 0, stderr);
    t.regex(readFileSync(join(folder, "filled"), "utf8"), new RegExp(`^password=${TOKEN}$`, "m"));
    const is = existsSync(stored) && readFileSync(stored, "utf8").includes(TOKEN);
    rmSync(stored, { force: true });
    return is;
  };
  const store = `\thelper = store --file=${stored}\n`;
  const told =
    /^git +broken +git gives the tokens of https:\/\/git\.example to store .*config\) too/m;
  return { folder, gitconfig, git, helper, isStored, store, told };
}

test("helpers that stand behind authd's lines store its tokens, and authd says which", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  const { gitconfig, helper, isStored, store, told } = await startHome(t);
  writeFileSync(gitconfig, `[credential]\n${store}\tuseHttpPath = true\n`);
  const installed = await helper("install", "git", "--for", "git.example=mine");
  t.deepEqual([installed.code, installed.stderr], [0, ""], "those in front are not asked");
  const written = readFileSync(gitconfig, "utf8");
  for (const [section, leaks] of [
    ["", false],
    ["[credential]", true],
    [`[credential "${ORIGIN}"]`, true],
    [`[credential "${ORIGIN}:443"]`, true],
    [`[credential "${ORIGIN}/acme"]`, true],
    ['[credential "https://*.example"]', true],
    ['[credential "git.example"]', true],
    ['[credential "https://oauth2@git.example"]', true],
    ['[credential "https://"]', true],
    ['[credential "http://git.example"]', false],
    ['[credential "https://example"]', false],
    ['[credential "https://x.git.example"]', false],
  ] as const) {
    writeFileSync(gitconfig, section === "" ? written : `${written}${section}\n${store}`);
    t.is(await isStored(), leaks, `git: ${section}`);
    const { stdout } = await helper("list");
    t.is(told.test(stdout), leaks, `${section}: ${stdout}`);
    if (!leaks) t.regex(stdout, /^git +set up +git\.example: mine$/m);
  }
});

test("a repository's own helper stores tokens as well; install says so", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  const { folder, git, helper, isStored, store, told } = await startHome(t);
  await git("init", "-q", ".");
  await git("config", "--local", "credential.helper", store.split(" = ")[1]!.trim());
  const { code, stderr } = await helper("install", "git", "--for", "git.example=mine");
  t.is(code, 0);
  t.regex(stderr, /to store .*\(\.git\/config\) too: in front of authd's lines it is not asked/);
  t.true(await isStored());
  t.regex((await helper("list")).stdout, told);
  rmSync(join(folder, ".git"), { recursive: true });
  t.notRegex((await helper("list")).stdout, told);
});

test("for all hosts authd is one of git's helpers, and the others store its tokens", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  const { folder, gitconfig, helper, isStored, store } = await startHome(t);
  writeFileSync(gitconfig, `[credential]\n${store}`);
  const { code, stderr } = await helper("install", "git");
  t.is(code, 0);
  t.regex(stderr, /the tokens of all hosts to store .* too: --for HOST=NAME keeps them out/);
  t.true(await isStored());
  const listed = await helper("list");
  t.regex(
    listed.stdout,
    /^git +broken +git gives the tokens of all hosts to store \(.*too: --for/m,
  );
  rmSync(gitconfig);
  await helper("install", "git");
  t.regex((await helper("list")).stdout, /^git +set up +everything$/m);
  // Without git there is nothing to be said.
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const env = { HOME: folder, PATH: bin };
  const without = await run(t, process.execPath, [MAIN, "helper", "list"], { cwd: folder, env });
  t.is(without.code, 0, without.stderr);
});

test("of other helpers their program is told, and nothing that stands behind it", async (t) => {
  if (absent("git").length > 0) return missing(t, "git is not installed");
  const { gitconfig, helper } = await startHome(t);
  for (const [value, told] of [
    ["!f() { echo password=practice-inline; }; f", "a script"],
    ["!PASSWORD=practice-inline print-it", "a script"],
    ["!exec /opt/tools/print-it practice-inline", "/opt/tools/print-it"],
    ["!print-it practice-inline", "print-it"],
    ["store --file=practice-inline", "store"],
  ] as const) {
    writeFileSync(gitconfig, `[credential]\n\thelper = ${JSON.stringify(value)}\n`);
    const { stderr } = await helper("install", "git");
    const { stdout } = await helper("list");
    for (const text of [stderr, stdout]) {
      t.true(text.includes(`the tokens of all hosts to ${told} (`), text);
      t.false(text.includes("practice-inline"), text);
    }
  }
});
