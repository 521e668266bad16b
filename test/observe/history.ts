import test from "ava";
import { History, MAX_EVENTS } from "../../src/observe/history.ts";
import type { EventPayload, State } from "../../src/protocol.ts";

test("at most so many are kept, the oldest make room, and how many is told", (t) => {
  let now = 0;
  const history = new History(() => now);
  for (; now < MAX_EVENTS + 250; now++)
    history.record({ kind: "refreshed", credential: `c${now}` });
  const { events, dropped } = history.query();
  t.is(events.length, MAX_EVENTS);
  t.is(dropped, 250);
  t.deepEqual(
    events.map(({ seq }) => seq),
    Array.from({ length: MAX_EVENTS }, (_, index) => index + 250),
  );
});

test("asked for one credential, from a time on, the newest so many", (t) => {
  let now = 0;
  const history = new History(() => now);
  for (now = 0; now < 10; now++) {
    history.record({ kind: "refreshed", credential: now % 2 === 0 ? "even" : "odd" });
  }
  const times = (query: object) => history.query(query).events.map(({ at }) => at);
  t.deepEqual(times({ credential: "odd" }), [1, 3, 5, 7, 9]);
  t.deepEqual(times({ since: 7 }), [7, 8, 9]);
  t.deepEqual(times({ limit: 2 }), [8, 9]);
  t.deepEqual(times({ limit: 0 }), []);
  t.deepEqual(times({ credential: "even", since: 3, limit: 2 }), [6, 8]);
  t.is(history.query().dropped, 0);
});

test("a start, a renewal that begins and a locked vault are no flood of news", (t) => {
  const history = new History(() => 0);
  const state = (to: State, before?: State): EventPayload => ({
    ...{ kind: "state", credential: "a", state: to },
    ...(before ? { before } : {}),
  });
  for (const dull of [
    state("idle"),
    state("ready"),
    state("locked"),
    state("idle", "locked"),
    state("refreshing", "ready"),
    state("ready", "ready"),
  ]) {
    t.is(history.record(dull), undefined);
  }
  for (const news of [state("rejected"), state("ready", "idle"), state("changed", "ready")]) {
    t.truthy(history.record(news));
  }
});

test("a message is cut", (t) => {
  const history = new History(() => 0);
  const event = history.record({
    kind: "refresh_failed",
    credential: "a",
    message: "x".repeat(9e5),
  });
  t.is(event?.message?.length, 500);
});
