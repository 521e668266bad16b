import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { desktopPrompter } from "../../../src/access/approvals/desktop-prompt.ts";
import type { PendingApproval } from "../../../src/protocol.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { onLinux } from "../../helpers/optional.ts";
import { writeProgram } from "../../helpers/program.ts";
import { until } from "../../helpers/until.ts";

const asked = (more: Partial<PendingApproval> = {}): PendingApproval => ({
  id: 1,
  credential: "labelf",
  kind: "token",
  what: "its token",
  rule: "default",
  count: 1,
  program: "/usr/bin/backup (process 4711)",
  processes: [],
  since: 0,
  expiresAt: 60_000,
  choices: ["once", "process", "hour", "always"],
  ...more,
});

/** A desktop whose dialog program notes its arguments and then does `script`. */
function desktop(t: ExecutionContext, program: string, script: string) {
  const folder = temporaryFolder(t);
  const file = join(folder, "args");
  const note = `printf '%s\\0' "$@" >> '${file}'; printf 'END\\0' >> '${file}'`;
  writeProgram(join(folder, program), `${note}\n${script}`);
  const failed: number[] = [];
  const asker = desktopPrompter({
    env: { PATH: `${folder}:${process.env.PATH}`, DISPLAY: ":9", SECRET: "no" },
    platform: "linux",
    onFailed: ({ id }) => void failed.push(id),
  });
  const calls = () =>
    existsSync(file)
      ? readFileSync(file, "utf8")
          .split("END\0")
          .slice(0, -1)
          .map((call) => call.split("\0").slice(0, -1))
      : [];
  return { asker: asker!, calls, failed, folder };
}

onLinux("zenity offers what can be said, and its answer counts", async (t) => {
  const { asker, calls } = desktop(t, "zenity", "echo 'Yes, for an hour'");
  const answer = await new Promise((resolve) => asker(asked(), resolve));
  t.is(answer, "hour");
  t.deepEqual(calls()[0]?.slice(-5), [
    "Yes, this once",
    "Yes, as long as this program runs",
    "Yes, for an hour",
    "Yes, always: write it down as a rule",
    "No",
  ]);
});

onLinux("kdialog comes first, and answers by key", async (t) => {
  const { asker, calls, folder } = desktop(t, "kdialog", "echo process");
  writeProgram(join(folder, "zenity"), "echo No");
  t.is(await new Promise((resolve) => asker(asked(), resolve)), "process");
  t.true(calls()[0]?.includes("--menu"));
});

onLinux("what programs are called is text: no markup, no escape, no shell", async (t) => {
  const { asker, calls, folder } = desktop(t, "zenity", "echo No");
  const program = `/tmp/<b>x</b>&amp;\\n$(touch ${folder}/y)\n\x1b[2J`;
  await new Promise((resolve) => asker(asked({ program }), resolve));
  const text = calls()[0]?.[calls()[0]!.indexOf("--text") + 1] ?? "";
  t.regex(text, /^\/tmp\/‹b›x‹\/b›＆amp;＼n\$\(touch .*\)\?\?\[2J asks labelf for its token\.\n/);
  t.false(existsSync(join(folder, "y")));
});

onLinux("closing the window is a no, and so is OK without a choice", async (t) => {
  for (const script of ["sleep 0.5; exit 1", "exit 0"]) {
    const { asker, failed } = desktop(t, "zenity", script);
    t.is(await new Promise((resolve) => asker(asked(), resolve)), "no", script);
    t.deepEqual(failed, []);
  }
});

onLinux("a dialog that can't be shown is no answer", async (t) => {
  for (const script of ["exit 5", "kill -9 $$"]) {
    const { asker, failed } = desktop(t, "zenity", script);
    asker(asked(), () => t.fail(script));
    await until(() => failed.length === 1);
    t.deepEqual(failed, [1], script);
  }
});

onLinux("answered elsewhere: the window goes, and the next question is asked", async (t) => {
  const { asker, calls } = desktop(
    t,
    "zenity",
    'case "$*" in *first*) exec sleep 60;; esac; echo No',
  );
  const withdraw = asker(asked({ program: "first" }), () => t.fail());
  const gone = asker(asked({ id: 3, program: "third" }), () => t.fail());
  const second = new Promise((resolve) => asker(asked({ id: 2, program: "second" }), resolve));
  gone();
  await until(() => calls().length === 1);
  withdraw();
  t.is(await second, "no");
  t.is(calls().length, 2);
});

test("without a display, or a program to ask with, nobody is asked there", (t) => {
  const failed = () => {};
  const ask = (env: Record<string, string>) =>
    desktopPrompter({ env, platform: "linux", onFailed: failed });
  t.is(ask({ PATH: process.env.PATH ?? "" }), undefined);
  t.is(ask({ PATH: "/nowhere:relative", DISPLAY: ":9" }), undefined);
});
