import test from "ava";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { AuditQueue } from "../../src/audit/queue.ts";

const backup = { uid: 1000, pid: 4711 };
const report = { uid: 1000, pid: 4712 };

function use(time: number, more: Partial<AuditEntry> = {}): AuditEntry {
  const use = { event: "use", method: "getToken", credential: "a", outcome: "ok" } as const;
  return { time, ...use, peer: backup, ...more };
}

test("equal uses by one client are one line with a count", (t) => {
  const queue = new AuditQueue();
  const first = queue.push(use(1));
  t.is(queue.push(use(2)), first);
  t.is(queue.push(use(3)), first);
  const [line, ...others] = queue.take(10);
  t.like(line?.entry, { time: 1, count: 3, until: 3 });
  t.deepEqual(others, []);
});

test("uses by turns are counted, each for itself", (t) => {
  const queue = new AuditQueue();
  for (let time = 0; time < 6; time += 1) {
    queue.push(use(time, { credential: time % 2 ? "odd" : "even" }));
  }
  t.deepEqual(
    queue.take(10).map(({ entry: { credential, count, until } }) => [credential, count, until]),
    [
      ["even", 3, 4],
      ["odd", 3, 5],
    ],
  );
});

test("what differs has a line of its own", (t) => {
  const queue = new AuditQueue();
  const different: Partial<AuditEntry>[] = [
    {},
    { peer: report },
    { token: "0123456789ab" },
    { rule: "allow[1]" },
    { outcome: "vault_locked", event: "refusal" },
    { method: "authorizedRequest" },
  ];
  for (const more of different) queue.push(use(1, more));
  t.is(queue.size, different.length);
});

test("changes are never counted together", (t) => {
  const queue = new AuditQueue();
  queue.push(use(1, { event: "change", method: "credentials/set" }));
  queue.push(use(1, { event: "change", method: "credentials/set" }));
  t.is(queue.size, 2);
});

test("a line that is being written counts no more", (t) => {
  const queue = new AuditQueue();
  const token = {};
  queue.push(use(1), token);
  const [taken] = queue.take(1);
  t.is(queue.repeat(backup, "a", undefined, token, 2), undefined);
  t.not(queue.push(use(2), token), taken);
  t.is(taken?.entry.count, undefined);
});

test("a token that was handed out a moment ago is counted without a new entry", (t) => {
  const queue = new AuditQueue();
  const token = {};
  const line = queue.push(use(1, { rule: "default" }), token);
  t.is(queue.repeat(backup, "a", "default", token, 2), line);
  t.like(line?.entry, { count: 2, until: 2 });
  t.is(queue.repeat(report, "a", "default", token, 3), undefined);
  t.is(queue.repeat(backup, "b", "default", token, 3), undefined);
  t.is(queue.repeat(backup, "a", "allow[1]", token, 3), undefined);
  t.is(queue.repeat(backup, "a", "default", {}, 3), undefined);
});
