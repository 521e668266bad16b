import test from "ava";
import type { Question } from "../../../src/access/access.ts";
import { ApprovalCache } from "../../../src/access/approvals/approval-cache.ts";
import { ApprovalQueue } from "../../../src/access/approvals/approval-queue.ts";
import { AuthdError } from "../../../src/errors.ts";
import type { ApprovalAnswer } from "../../../src/protocol.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import { identityOf, processInfo, question } from "../../helpers/question.ts";

function setUp() {
  const clock = new FakeClock();
  let lastId = 0;
  const rules: Question[] = [];
  const shown = new Map<number, (answer: ApprovalAnswer) => void>();
  const said: string[] = [];
  const world = { canWrite: true };
  const queue = new ApprovalQueue({
    clock,
    nextId: () => ++lastId,
    prompt: ({ id }, answer) => {
      shown.set(id, answer);
      return () => void shown.delete(id);
    },
    async writeRule(one) {
      if (!world.canWrite) throw new AuthdError("internal", "the disk is full");
      rules.push(one);
    },
    onFailed: (_, error) => void said.push((error as Error).message),
    onChange: (change) =>
      void said.push("asked" in change ? `asked ${change.asked.id}` : `settled ${change.answer}`),
  });
  const ask = (one = question(), signal = new AbortController().signal) => {
    const result = queue.ask(one, signal).then(
      () => "yes",
      (error: AuthdError) => error.reason,
    );
    return result;
  };
  return { clock, queue, rules, shown, said, world, ask };
}

const other = { pid: 4712, startedAt: 9 };

test("a hundred requests are one question, and one answer is for all of them", async (t) => {
  const { queue, ask, said, clock } = setUp();
  const all = Array.from({ length: 100 }, () => ask());
  t.is(queue.pending().length, 1);
  const [{ id, count } = { id: 0, count: 0 }] = queue.pending();
  t.is(count, 100);
  await queue.answer(id, "once");
  t.deepEqual(new Set(await Promise.all(all)), new Set(["yes"]));
  t.deepEqual(said, ["asked 1", "settled once"]);
  t.is(clock.pending, 0);
});

test("once is for what was shown: what else was asked for meanwhile is asked about next", async (t) => {
  const { queue, ask, shown } = setUp();
  const what = (text: string) => question({ kind: "request", what: text });
  const harmless = ask(what("GET https://api.example/a"));
  const worse = ask(what("DELETE https://api.example/a"));
  t.is(queue.pending()[0]?.count, 2);
  await queue.answer(1, "once");
  t.is(await harmless, "yes");
  t.like(queue.pending(), [{ id: 2, what: "DELETE https://api.example/a", count: 1 }] as never);
  t.deepEqual([...shown.keys()], [2]);
  await queue.answer(2, "no");
  t.is(await worse, "caller_not_allowed");
});

test("no answer within 60 s is a no, which holds another 60 s for that process", async (t) => {
  const { clock, queue, ask, shown } = setUp();
  const asked = ask();
  clock.advance(59_999);
  t.is(queue.pending().length, 1);
  clock.advance(1);
  t.is(await asked, "caller_not_allowed");
  t.is(shown.size, 0);
  const again = await t.throwsAsync<AuthdError>(queue.ask(question(), AbortSignal.timeout(9_999)));
  t.regex(again.message, /asked for its token, and nobody answered within 60 s; .*authd approve/);
  void ask(question({}, other));
  t.is(queue.pending().length, 1, "another process may ask");
  queue.forgetAll();
  clock.advance(60_000);
  void ask();
  t.is(queue.pending().length, 1);
  queue.close();
});

test("a no is about all that the process may think of next", async (t) => {
  const { queue, ask } = setUp();
  const each = (what: string) => question({ confirm: "always", kind: "request", what });
  const asked = ask(each("GET a"));
  await queue.answer(1, "no");
  t.deepEqual(
    [await asked, await ask(each("GET b"))],
    ["caller_not_allowed", "caller_not_allowed"],
  );
});

for (const [answer, holds, programToo, lasts] of [
  ["once", false, false, false],
  ["process", true, false, true],
  ["hour", true, true, false],
] as const) {
  test(`${answer}: for how long, and for whom`, async (t) => {
    const { clock, queue, ask } = setUp();
    const answered = async (one?: Question) => {
      const before = queue.pending().length;
      const asked = ask(one);
      const passed = queue.pending().length === before;
      if (!passed) await queue.answer(queue.pending().at(-1)!.id, "once");
      await asked;
      return passed;
    };
    void ask();
    await queue.answer(1, answer);
    t.is(await answered(), holds);
    t.is(await answered(question({}, other)), programToo);
    t.false(await answered(question({ credential: "zebbra" })), "another credential");
    t.false(await answered(question({ kind: "request" })), "another kind");
    t.false(await answered(question({ rule: "delete" })), "another rule");
    t.false(await answered(question({}, { startedAt: 7, executable: "/x" })), "the number reused");
    clock.advance(3_600_000);
    t.is(await answered(), lasts);
    queue.forgetAbout("labelf");
    t.false(await answered(), "its rules have changed");
  });
}

test("session: until authd locks", async (t) => {
  const { clock, queue, ask } = setUp();
  const session = question({ confirm: "session" });
  void ask(session);
  t.deepEqual(queue.pending()[0]?.choices, ["once", "process", "hour", "session"]);
  await queue.answer(1, "session");
  clock.advance(24 * 3_600_000);
  t.is(await ask(session), "yes");
  const waiting = ask(question({ credential: "zebbra" }));
  queue.forgetAll();
  t.is(await waiting, "vault_locked");
  void ask(session);
  t.is(queue.pending().length, 1);
  queue.close();
});

test("always: the rule is written first, and the question stays if it can't be", async (t) => {
  const { queue, ask, rules, world } = setUp();
  const asked = ask();
  world.canWrite = false;
  await t.throwsAsync(queue.answer(1, "always"), { message: "the disk is full" });
  t.is(queue.pending().length, 1);
  world.canWrite = true;
  await queue.answer(1, "always");
  t.is(await asked, "yes");
  t.like(rules, [{ credential: "labelf" }] as never);
});

test("always on the desktop, where an error has no place: as long as the process runs", async (t) => {
  const { ask, world, shown, said } = setUp();
  world.canWrite = false;
  const asked = ask();
  shown.get(1)?.("always");
  t.is(await asked, "yes");
  t.true(said.includes("the disk is full"));
  t.is(await ask(), "yes");
});

test("each single thing is asked about where a person wants that", async (t) => {
  const { queue, ask } = setUp();
  const each = (what: string) => question({ confirm: "always", kind: "request", what });
  const asked = [ask(each("GET a")), ask(each("GET a")), ask(each("GET b"))];
  t.deepEqual(
    queue.pending().map(({ what, count, choices }) => [what, count, choices]),
    [
      ["GET a", 2, ["once"]],
      ["GET b", 1, ["once"]],
    ],
  );
  await t.throwsAsync(queue.answer(1, "hour"), { message: /can be answered with once, no;/ });
  await queue.answer(1, "once");
  t.is(await asked[0], "yes");
  await queue.answer(2, "once");
  t.like(queue.pending(), [{ id: 3, what: "GET a", count: 1 }] as never);
  await queue.answer(3, "once");
  t.deepEqual(await Promise.all(asked), ["yes", "yes", "yes"]);
  void ask(each("GET a"));
  t.is(queue.pending().length, 1);
  queue.close();
});

test("what can be said depends on how well the program is known", (t) => {
  const { queue, ask } = setUp();
  void ask(question({}, { executable: "/usr/bin/python3.12" }));
  void ask(question({}, { pid: 2, executable: undefined }));
  void ask(question({}, { pid: 3, executable: "/usr/lib/systemd/systemd" }));
  void ask(question({ identity: identityOf() }));
  void ask(question({ kind: "change", confirm: "always", what: "credentials/set" }, { pid: 4 }));
  void ask(question({}, { pid: 5 }));
  t.deepEqual(
    queue.pending().map(({ choices }) => choices.at(-1)),
    ["process", "process", "once", "once", "once", "always"],
  );
  queue.close();
});

test("names of parents are anybody's choice: in quotes unless they are plain", (t) => {
  const { queue } = setUp();
  const evil = "x (1) ← /usr/bin/gnome-terminal\u202e\n";
  const chain = [processInfo(), processInfo({ pid: 2, executable: evil })];
  const asked = queue.ask(question({ identity: identityOf(...chain) }), AbortSignal.timeout(9_999));
  t.deepEqual(queue.pending()[0]?.processes, [
    "/usr/bin/backup (4711)",
    '"x (1) ← /usr/bin/gnome-terminal??" (2)',
  ]);
  queue.close();
  return t.throwsAsync(asked);
});

test("who leaves does not wait; the question goes with the last of them", async (t) => {
  const { clock, queue, ask, shown, said } = setUp();
  const [first, second] = [new AbortController(), new AbortController()];
  const asked = [ask(question(), first.signal), ask(question(), second.signal)];
  first.abort();
  t.is(await asked[0], "cancelled");
  t.is(queue.pending()[0]?.count, 1);
  second.abort();
  t.is(await asked[1], "cancelled");
  t.deepEqual([queue.pending().length, shown.size, clock.pending], [0, 0, 0]);
  t.is(await ask(question(), second.signal), "cancelled");
  await t.throwsAsync(queue.answer(1, "once"), { message: /no open question 1/ });
  void ask();
  t.is(queue.pending().length, 1, "that was no answer");
  queue.close();
  t.is(said.at(-1), "settled no");
});

test("more questions than a person can answer are refused", async (t) => {
  const { queue, ask } = setUp();
  const asked = Array.from({ length: 33 }, (_, pid) => ask(question({}, { pid: pid + 2 })));
  t.is(queue.pending().length, 32);
  t.is(await asked[32], "too_busy");
  queue.close();
  t.deepEqual(new Set(await Promise.all(asked)), new Set(["shutting_down", "too_busy"]));
  t.is(await ask(), "shutting_down");
});

test("one user of many does not keep the others from asking, whatever processes there are", async (t) => {
  const { queue, ask } = setUp();
  const from = (uid: number, pid: number) => {
    const peer = { uid, pid, connectedAt: 0 };
    return question({ identity: { ...identityOf(processInfo({ pid, uid })), peer } });
  };
  const guest = (process.geteuid?.() ?? 0) + 1;
  const asked = Array.from({ length: 9 }, (_, index) => ask(from(guest, index + 2)));
  t.is(queue.pending().length, 8);
  t.is(await asked[8], "too_busy");
  void ask(from(guest + 1, 20));
  for (let pid = 30; pid < 40; pid++) void ask(from(process.geteuid?.() ?? 0, pid));
  t.is(queue.pending().length, 19);
  queue.close();
});

test("all other users together leave room for questions of the daemon's own", async (t) => {
  const { queue, ask } = setUp();
  const own = process.geteuid?.() ?? 0;
  const from = (uid: number, pid: number) => {
    const peer = { uid, pid, connectedAt: 0 };
    return question({ identity: { ...identityOf(processInfo({ pid, uid })), peer } });
  };
  for (let uid = own + 1; uid <= own + 4; uid++) {
    for (let pid = 1; pid <= 8; pid++) void ask(from(uid, uid * 100 + pid));
  }
  t.is(queue.pending().length, 16);
  void ask(from(own, 2));
  t.is(queue.pending().length, 17);
  queue.close();
});

test("an hour's yes to one user's program is none for another user's", (t) => {
  const cache = new ApprovalCache(new FakeClock());
  const from = (uid: number) => {
    const peer = { uid, pid: uid, connectedAt: 0 };
    return question({ identity: { ...identityOf(processInfo({ pid: uid, uid })), peer } });
  };
  cache.add(from(1001), "hour");
  t.true(cache.allows(from(1001)));
  t.false(cache.allows(from(1002)));
});

test("one process does not keep others from asking", async (t) => {
  const { queue, ask } = setUp();
  const wish = (index: number) => question({ confirm: "always", what: `GET /${index}` });
  const asked = Array.from({ length: 9 }, (_, index) => ask(wish(index)));
  t.is(queue.pending().length, 8);
  t.is(await asked[8], "too_busy");
  void ask(question({}, other));
  t.is(queue.pending().length, 9);
  queue.close();
});

test("a yes to a change is for one change: what it comes to is not in the question", async (t) => {
  const { queue, ask } = setUp();
  const change = () => question({ kind: "change", confirm: "always", what: "credentials/set" });
  const first = ask(change());
  void ask(change());
  await queue.answer(1, "once");
  t.is(await first, "yes");
  t.like(queue.pending(), [{ id: 2, count: 1 }]);
  queue.close();
});
