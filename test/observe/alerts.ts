import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  Alerts,
  GATHER_MS,
  MIN_INTERVAL_MS,
  VAULT_UNLOCK_GRACE_MS,
} from "../../src/observe/alerts.ts";
import type { HookEvent } from "../../src/observe/hook.ts";
import { NotifiedProblems } from "../../src/observe/notified-problems.ts";
import type { CredentialInfo, EventPayload, Problem } from "../../src/protocol.ts";
import { infoOf } from "../helpers/credential-info.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { temporaryFolder } from "../helpers/folder.ts";

/** Credentials that are as the test says, and what people were told. */
function setup(t: ExecutionContext, path = join(temporaryFolder(t), "told.json")) {
  const clock = new FakeClock();
  const infos = new Map<string, CredentialInfo>();
  const runs: string[] = [];
  const notes: string[][] = [];
  const start = { isOver: true };
  const events: EventPayload[] = [];
  const words = ({ credential = "", reason }: Problem) => `${credential} ${reason}`;
  const make = () =>
    new Alerts({
      clock,
      notified: new NotifiedProblems(path),
      info: (name) => infos.get(name),
      needingAttention: () => infos.keys(),
      isComplete: () => start.isOver,
      emit: (happened) => void events.push(happened),
      runHook: ({ event, problem }: HookEvent) => void runs.push(`${event} ${words(problem)}`),
      notify: (problems) => void notes.push(problems.map(words)),
    });
  let alerts = make();
  return {
    clock,
    infos,
    runs,
    notes,
    events,
    start,
    /** A credential is in a state now. */
    be(name: string, more: Partial<CredentialInfo>) {
      const info = infoOf(name, more);
      infos.set(name, info);
      alerts.onEvent({ kind: "state", credential: name, state: info.state });
      clock.advance(100);
    },
    hear: (happened: EventPayload) => alerts.onEvent(happened),
    tick: () => alerts.tick(),
    hook: (problem: Problem | undefined) => alerts.onDaemonProblem("hook", problem),
    close: () => alerts.close(),
    async restart() {
      await alerts.close();
      alerts = make();
    },
  };
}

test("a problem is told once, and again only if it was over in between", (t) => {
  const { be, clock, runs, notes } = setup(t);
  for (let i = 0; i < 5; i++) {
    be("a", { state: "rejected" });
    be("a", { state: "refreshing" });
    be("a", { state: "failing" });
    be("a", { state: "idle" });
  }
  clock.advance(10 * MIN_INTERVAL_MS);
  t.deepEqual(runs, ["problem a credential_rejected"]);
  t.deepEqual(notes, [["a credential_rejected"]]);
  be("a", { state: "ready" });
  t.deepEqual(runs.splice(1), ["resolved a credential_rejected"]);
  be("a", { state: "rejected" });
  clock.advance(MIN_INTERVAL_MS);
  t.deepEqual(runs.splice(1), ["problem a credential_rejected"]);
  t.is(notes.length, 2);
});

test("what is being checked when a notification is due is part of it", (t) => {
  const { be, infos, hear, clock, notes } = setup(t);
  be("a", { state: "rejected" });
  clock.advance(GATHER_MS - 70);
  infos.set("b", infoOf("b", { state: "rejected" }));
  hear({ kind: "state", credential: "b", state: "rejected" });
  clock.advance(1_000);
  t.deepEqual(notes, [["a credential_rejected", "b credential_rejected"]]);
});

test("new secrets that are only being tried solve nothing, until they work or are dropped", (t) => {
  const { be, hear, runs } = setup(t);
  const candidate = (state: CredentialInfo["state"]) =>
    be("a", { candidate: { enteredAt: 0, state } });
  hear({ kind: "refresh_failed", credential: "a", reason: "credential_rejected" });
  candidate("rejected");
  for (const state of ["refreshing", "failing", "idle", "ready", "rejected"] as const) {
    candidate(state);
  }
  t.deepEqual(runs, ["problem a credential_rejected"]);
  be("a", {});
  t.deepEqual(runs.splice(1), ["resolved a credential_rejected"]);
});

test("a file that is trusted is no problem any more, whatever comes next", (t) => {
  const { be, runs, events } = setup(t);
  be("a", { state: "changed" });
  be("a", { state: "idle" });
  be("a", { state: "changed" });
  be("a", { state: "rejected" });
  be("a", { state: "ready" });
  t.deepEqual(runs, [
    "problem a credential_changed",
    "resolved a credential_changed",
    "problem a credential_changed",
    // Another one in its place: that one is to be solved.
    "problem a credential_rejected",
    "resolved a credential_rejected",
  ]);
  t.deepEqual(
    events.map(({ kind }) => kind),
    runs.map((run) => run.split(" ")[0]),
  );
});

test("many at once are one note; what follows waits, and is one note too", (t) => {
  const { be, clock, runs, notes } = setup(t);
  for (let i = 0; i < 15; i++) be(`c${i}`, { state: "login_required" });
  clock.advance(GATHER_MS);
  t.is(notes.length, 1);
  t.is(notes[0]?.length, 15);
  for (let i = 15; i < 200; i++) be(`c${i}`, { state: "login_required" });
  t.is(notes.length, 1);
  clock.advance(MIN_INTERVAL_MS);
  t.is(notes.length, 2);
  t.is(notes[1]?.length, 185);
  t.is(runs.length, 200);
});

test("what is over before the note is not in it", (t) => {
  const { be, clock, notes } = setup(t);
  be("a", { state: "changed" });
  be("b", { state: "changed" });
  be("a", { state: "ready" });
  clock.advance(GATHER_MS);
  t.deepEqual(notes, [["b credential_changed"]]);
  be("b", { state: "ready" });
  be("b", { state: "changed" });
  be("b", { state: "ready" });
  clock.advance(2 * MIN_INTERVAL_MS);
  t.is(notes.length, 1);
});

test("states that pass in no time are not told", (t) => {
  const { hear, infos, clock, runs } = setup(t);
  infos.set("a", infoOf("a", { state: "ready" }));
  hear({ kind: "state", credential: "a", state: "rejected" });
  clock.advance(1_000);
  t.deepEqual(runs, []);
});

test("a locked vault is one problem, and none if the key comes soon", (t) => {
  const { be, hear, clock, runs } = setup(t);
  hear({ kind: "vault_locked", message: "no keychain" });
  for (const name of ["a", "b"]) be(name, { state: "locked" });
  clock.advance(VAULT_UNLOCK_GRACE_MS / 2);
  hear({ kind: "vault_unlocked" });
  clock.advance(2 * VAULT_UNLOCK_GRACE_MS);
  t.deepEqual(runs, []);
  hear({ kind: "vault_locked", message: "no keychain" });
  clock.advance(VAULT_UNLOCK_GRACE_MS);
  t.deepEqual(runs, ["problem  vault_locked"]);
  hear({ kind: "vault_unlocked" });
  t.deepEqual(runs.splice(1), ["resolved  vault_locked"]);
});

test("what was told is not told again after a restart; what is over by then is resolved", async (t) => {
  const { be, restart, clock, runs, notes, infos, close } = setup(t);
  be("a", { state: "rejected" });
  be("b", { state: "changed" });
  be("c", { state: "damaged" });
  clock.advance(GATHER_MS);
  runs.splice(0);
  infos.set("b", infoOf("b"));
  infos.delete("c");
  await restart();
  be("a", { state: "rejected" });
  clock.advance(2 * MIN_INTERVAL_MS);
  t.deepEqual(runs, ["resolved b credential_changed", "resolved c credential_damaged"]);
  t.is(notes.length, 1);
  // Behind a locked vault nothing is known, so nothing is over.
  infos.set("a", infoOf("a", { state: "locked" }));
  await restart();
  clock.advance(1_000);
  t.is(runs.length, 2);
  await close();
});

test("one that is removed is a problem no more", (t) => {
  const { be, hear, infos, clock, runs, notes } = setup(t);
  be("a", { state: "rejected" });
  infos.delete("a");
  hear({ kind: "removed", credential: "a" });
  clock.advance(GATHER_MS);
  t.deepEqual(runs, ["problem a credential_rejected", "resolved a credential_rejected"]);
  t.deepEqual(notes, []);
  be("a", { state: "rejected" });
  t.is(runs.length, 3);
});

const trouble = (reason: "test_failed" | "wrong_address") => ({
  troubles: [{ reason, message: "refused", help: "authd set a" }],
});

test("a fault that an event brings is told at once, and so is its end", (t) => {
  const { hear, tick, infos, clock, runs, notes } = setup(t);
  tick();
  infos.set("a", infoOf("a", { state: "ready", ...trouble("test_failed") }));
  hear({ kind: "tested", credential: "a", message: "a: refused" });
  // An address that leads nowhere is tried again, so the state alone tells nothing.
  infos.set("b", infoOf("b", { state: "failing", ...trouble("wrong_address") }));
  hear({ kind: "refresh_failed", credential: "b", reason: "issuer_unavailable", retryAt: 1 });
  clock.advance(100);
  t.deepEqual(runs, ["problem a test_failed", "problem b wrong_address"]);
  clock.advance(GATHER_MS);
  t.deepEqual(notes, [["a test_failed", "b wrong_address"]]);
  infos.set("a", infoOf("a"));
  hear({ kind: "tested", credential: "a" });
  clock.advance(100);
  t.deepEqual(runs.splice(2), ["resolved a test_failed"]);
});

test("what a reload or an unlock brings is told at once", (t) => {
  const { hear, tick, infos, clock, runs } = setup(t);
  tick();
  for (const [name, kind] of [
    ["a", "reloaded"],
    ["b", "vault_unlocked"],
  ] as const) {
    infos.set(name, infoOf(name, { state: "ready", ...trouble("test_failed") }));
    hear({ kind });
    clock.advance(100);
    t.deepEqual(runs.splice(0), [`problem ${name} test_failed`]);
  }
});

test("a hook that fails is told on the desktop, not by itself", (t) => {
  const { hook, clock, runs, notes } = setup(t);
  const problem = { reason: "hook", message: "it ended", help: "mend it" } as const;
  hook(problem);
  hook(problem);
  clock.advance(GATHER_MS);
  t.deepEqual(notes, [[" hook"]]);
  hook(undefined);
  hook(problem);
  clock.advance(MIN_INTERVAL_MS);
  t.is(notes.length, 2);
  t.deepEqual(runs, []);
});

test("a secret's date is told when it comes, beside the warning, and once across restarts", async (t) => {
  const { tick, infos, clock, runs, restart } = setup(t);
  infos.set("a", infoOf("a", { secretExpires: "2030-01-02" }));
  tick();
  clock.advance(1_000);
  t.deepEqual(runs.splice(0), ["problem a secret_expires"]);
  // Nothing ticks: the date alone wakes it.
  clock.advance(86_400_000);
  t.deepEqual(runs.splice(0), ["problem a secret_expires"]);
  await restart();
  tick();
  clock.advance(86_400_000);
  t.deepEqual(runs, []);
  infos.set("a", infoOf("a", { secretExpires: "2031-01-02" }));
  tick();
  clock.advance(1_000);
  t.deepEqual(runs, ["resolved a secret_expires"]);
});

test("the day on which a secret's end is near comes by itself; what is not sealed says so", (t) => {
  const { hear, tick, infos, clock, runs } = setup(t);
  infos.set("a", infoOf("a", { secretExpires: "2030-01-16" }));
  tick();
  clock.advance(1_000);
  t.deepEqual(runs, []);
  clock.advance(86_400_000);
  tick();
  clock.advance(1_000);
  t.deepEqual(runs, ["problem a secret_expires"]);
  const unsaved = { since: 0, atRisk: "tokens", message: "a: no room" } as const;
  infos.set("b", infoOf("b", { unsaved }));
  hear({ kind: "unsaved", credential: "b", message: "a: no room" });
  clock.advance(100);
  infos.set("b", infoOf("b"));
  hear({ kind: "sealed", credential: "b" });
  clock.advance(100);
  t.deepEqual(runs.splice(1), ["problem b unsaved", "resolved b unsaved"]);
});

test("what is found while credentials are read at a start is shown together", (t) => {
  const { be, clock, runs, notes, start } = setup(t);
  start.isOver = false;
  be("a", { state: "rejected" });
  clock.advance(3 * GATHER_MS);
  be("b", { state: "rejected" });
  clock.advance(3 * GATHER_MS);
  t.is(runs.length, 2, "the hook is told of each at once");
  t.deepEqual(notes, []);
  start.isOver = true;
  clock.advance(GATHER_MS);
  t.deepEqual(notes, [["a credential_rejected", "b credential_rejected"]]);
});
