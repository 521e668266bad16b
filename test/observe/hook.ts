import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { Hook, MAX_WAITING } from "../../src/observe/hook.ts";
import type { Problem } from "../../src/protocol.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix } from "../helpers/optional.ts";
import { notedRuns, noteVariables, writeProgram } from "../helpers/program.ts";
import { until } from "../helpers/until.ts";

function setup(
  t: ExecutionContext,
  script: (folder: string) => string,
  { args = [], timeoutMs }: { args?: string[]; timeoutMs?: number } = {},
) {
  const folder = temporaryFolder(t);
  const said: string[] = [];
  const note = (about: object, message: string) => void said.push(JSON.stringify([about, message]));
  const path = writeProgram(join(folder, "hook"), script(folder));
  const hook = new Hook({
    command: [path, ...args],
    env: { PATH: process.env.PATH, HOME: folder, DEPLOY_KEY: "do-not-pass" },
    log: { debug: note, info: note, warn: note, error: note },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  t.teardown(() => void hook.close());
  return { folder, hook, said, file: join(folder, "runs") };
}

const problem = (credential: string): Problem => ({
  credential,
  reason: "credential_rejected",
  message: `${credential}: "no"; $(touch x) \`y\`\nand more`,
  help: `authd set ${credential}`,
});

onUnix(
  "it gets the occasion in its environment, its own arguments, and nothing else",
  async (t) => {
    const script = (folder: string) =>
      `printf '%s|' "$@" > '${folder}/args'; printf %s "$AUTHD_MESSAGE" > '${folder}/message'
${noteVariables(join(folder, "runs"))}`;
    const { hook, folder, file } = setup(t, script, { args: ["a b", "$HOME"] });
    hook.run({ event: "problem", problem: problem("a"), state: "rejected" });
    await until(() => hook.report.runs === 1 && notedRuns(file).length === 1);
    const [run = {}] = notedRuns(file);
    t.like(run, {
      AUTHD_EVENT: "problem",
      AUTHD_CREDENTIAL: "a",
      AUTHD_REASON: "credential_rejected",
      AUTHD_HELP: "authd set a",
      AUTHD_STATE: "rejected",
      HOME: folder,
    });
    t.is(run.DEPLOY_KEY, undefined);
    t.is(readFileSync(join(folder, "message"), "utf8"), problem("a").message);
    t.is(readFileSync(join(folder, "args"), "utf8"), "a b|$HOME|");
    t.like(hook.report, { failures: 0, error: undefined });
  },
);

onUnix("one at a time for a credential, in order", async (t) => {
  const { hook, file } = setup(
    t,
    (folder) => `mkdir '${folder}/lock' || echo AUTHD_TWICE=1 >> '${folder}/runs'
sleep 0.05; rmdir '${folder}/lock'
${noteVariables(join(folder, "runs"), "AUTHD_EVENT")}`,
  );
  for (let i = 0; i < 3; i++) {
    hook.run({ event: "problem", problem: problem("a") });
    hook.run({ event: "resolved", problem: problem("a") });
  }
  await until(() => notedRuns(file).length === 6);
  t.deepEqual(
    notedRuns(file).map((run) => run.AUTHD_EVENT),
    ["problem", "resolved", "problem", "resolved", "problem", "resolved"],
  );
});

onUnix("one that hangs is killed; what it wrote is not logged", async (t) => {
  const { hook, said } = setup(t, () => "echo a-secret-of-its-own; echo more >&2; exec sleep 100", {
    timeoutMs: 200,
  });
  hook.run({ event: "problem", problem: problem("a") });
  await until(() => said.length === 1);
  t.regex(said[0]!, /was killed after 0.2 s/);
  t.notRegex(said[0]!, /of-its-own|more/);
  t.like(hook.report, { runs: 1, failures: 1, error: "was killed after 0.2 s" });
});

onUnix("an exit code is a failure until it succeeds; one that is missing says so", async (t) => {
  const { hook, said, folder } = setup(
    t,
    (folder) => `test -e '${folder}/well' && exit 0; : > '${folder}/well'; exit 9`,
  );
  hook.run({ event: "problem", problem: problem("a") });
  await until(() => hook.report.error === "ended with exit code 9");
  hook.run({ event: "problem", problem: problem("a") });
  await until(() => hook.report.error === undefined);
  t.like(hook.report, { runs: 2, failures: 1 });
  t.is(said.length, 1);
  const quiet = () => {};
  const none = new Hook({
    command: [join(folder, "nothing")],
    env: {},
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  none.run({ event: "problem", problem: problem("a") });
  await until(() => none.report.error !== undefined);
  t.is(none.report.error, "can't be run (ENOENT)");
});

onUnix("so many wait, and no more; none runs after the end", async (t) => {
  const { hook, said } = setup(t, () => "exec sleep 100");
  for (let i = 0; i < MAX_WAITING + 5; i++) hook.run({ event: "problem", problem: problem("a") });
  t.is(said.length, 4);
  t.regex(said[0]!, /is not run: 1000 runs wait/);
  t.is(hook.close().length, 1_000, "for the hook that takes its place");
  hook.run({ event: "problem", problem: problem("b") });
  t.is(hook.report.runs, 1);
});
