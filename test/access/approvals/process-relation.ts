/** Who may answer on Windows, where no terminal is known. */
import test from "ava";
import { whyMayNotAnswer } from "../../../src/access/approvals/process-relation.ts";
import { identityOf, processInfo } from "../../helpers/question.ts";

const windows = { platform: "win32" } as const;
const at = (pid: number, executable: string) => processInfo({ pid, startedAt: pid, executable });
const explorer = at(20, "explorer.exe");
const console = at(30, "WindowsTerminal.exe");
const asker = identityOf(at(200, "backup.exe"), at(100, "cmd.exe"), console, explorer);

const ANSWERERS = {
  "a shell of the desktop": identityOf(at(300, "cmd.exe"), explorer),
  "a shell of the same console": identityOf(at(301, "cmd.exe"), console, explorer),
  "one whose parent has ended": identityOf(at(302, "tool.exe")),
};

for (const [who, answerer] of Object.entries(ANSWERERS)) {
  test(`on Windows ${who} answers with a passphrase only`, (t) => {
    const without = whyMayNotAnswer(answerer, asker, { ...windows, needsPassphrase: false });
    t.regex(without ?? "", /only a passphrase shows that a person answers/);
    t.is(whyMayNotAnswer(answerer, asker, { ...windows, needsPassphrase: true }), undefined);
  });
}

const KIN = {
  "who asks": asker,
  "what it started": identityOf(at(303, "tool.exe"), ...asker.chain),
  "what it was started by": identityOf(...asker.chain.slice(1)),
  "its program": identityOf(at(304, "backup.exe"), explorer),
};

for (const [who, answerer] of Object.entries(KIN)) {
  test(`on Windows ${who} can't answer even with a passphrase`, (t) => {
    const why = whyMayNotAnswer(answerer, asker, { ...windows, needsPassphrase: true });
    t.regex(why ?? "", /Who asks can't answer/);
  });
}
