import test from "ava";
import { detailsOf, sentenceOf } from "../../../src/access/approvals/approval-text.ts";
import type { PendingApproval } from "../../../src/protocol.ts";

const asked: PendingApproval = {
  id: 1,
  credential: "labelf",
  kind: "token",
  what: "its token",
  rule: "default",
  count: 1,
  program: "/usr/bin/backup (process 4711)",
  processes: ["/usr/bin/backup (4711)", "/bin/sh (12)", "/usr/sbin/cron (9)"],
  terminal: "pts/3",
  unit: "backup.service",
  since: 0,
  expiresAt: 60_000,
  choices: ["once"],
};

test("who asks, and for what", (t) => {
  t.is(sentenceOf(asked), "/usr/bin/backup (process 4711) asks labelf for its token");
  t.is(
    sentenceOf({ ...asked, kind: "change", what: "credentials/set", count: 3 }),
    "/usr/bin/backup (process 4711) wants to change labelf (credentials/set) (3 requests wait)",
  );
  t.deepEqual(detailsOf(asked), [
    "started by: /bin/sh (12) ← /usr/sbin/cron (9)",
    "terminal: pts/3",
    "unit: backup.service",
    "asked by rule: default",
  ]);
});

test("what is wanted does not fall off the end, and says so where it is cut", (t) => {
  const long = { ...asked, kind: "request", what: `POST https://x/${"a".repeat(500)}` } as const;
  t.regex(sentenceOf(long), /asks labelf for POST .*… \(cut\)$/);
});

test("a change is shown in full", (t) => {
  const what = `credentials/set origins=${"https://api.example,".repeat(45)}https://evil.example`;
  const sentence = sentenceOf({ ...asked, kind: "change", what, program: "x".repeat(150) });
  t.true(sentence.endsWith(`(${what})`));
});

test("a program's name begins no line of its own, steers no terminal, and turns no text around", (t) => {
  const evil = "/tmp/x\n/usr/bin/good\x1b[2J\u202egpj\u0085\u2028.sh";
  const lines = [sentenceOf({ ...asked, program: evil }), ...detailsOf({ ...asked, script: evil })];
  for (const line of lines) t.notRegex(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  t.true(sentenceOf({ ...asked, program: "x".repeat(9_000) }).length <= 400);
});
