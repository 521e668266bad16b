import { getEventListeners } from "node:events";
import test from "ava";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { PendingRefresh } from "../../src/credential/token-slot.ts";
import { WAIT_LIMIT, waitFor } from "../../src/credential/wait.ts";
import { AuthdError } from "../../src/errors.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

const token = { accessToken: "token" } as IssuedToken;

function flying() {
  let land = (_: IssuedToken) => {};
  let crash = (_: Error) => {};
  const promise = new Promise<IssuedToken>((resolve, reject) => {
    land = resolve;
    crash = reject;
  });
  promise.catch(() => {});
  const pendingRefresh: PendingRefresh = { awaited: false, promise };
  return { flight: pendingRefresh, land: () => land(token), crash: (error: Error) => crash(error) };
}

const about = (clock: FakeClock) => ({ credential: "demo", clock });

const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => error);

test("a flight that somebody waits for goes first", async (t) => {
  const { flight: pendingRefresh, land } = flying();
  const waiting = waitFor(pendingRefresh, about(new FakeClock()));
  t.true(pendingRefresh.awaited);
  land();
  t.is(await waiting, token);
});

test("its failure is the caller's", async (t) => {
  const { flight: pendingRefresh, crash } = flying();
  const waiting = outcome(waitFor(pendingRefresh, about(new FakeClock())));
  const failure = new AuthdError("issuer_unavailable", "down");
  crash(failure);
  t.is(await waiting, failure);
});

test("timeoutMs is the caller's limit, maxWaitMs ours; the earlier one ends the wait", async (t) => {
  const clock = new FakeClock();
  const { flight: pendingRefresh } = flying();
  const short = outcome(
    waitFor(pendingRefresh, { ...about(clock), timeoutMs: 100, maxWaitMs: 200 }),
  );
  const patient = outcome(
    waitFor(pendingRefresh, { ...about(clock), timeoutMs: 300, maxWaitMs: 200 }),
  );
  clock.advance(100);
  t.is(((await short) as AuthdError).reason, "timeout");
  clock.advance(100);
  t.is(await patient, WAIT_LIMIT);
});

test("whoever gives up leaves nothing behind, although the flight goes on", async (t) => {
  const clock = new FakeClock();
  const { flight: pendingRefresh } = flying();
  const controller = new AbortController();
  const { signal } = controller;
  const late = outcome(waitFor(pendingRefresh, { ...about(clock), timeoutMs: 100, signal }));
  t.is(getEventListeners(signal, "abort").length, 1);
  clock.advance(100);
  await late;
  t.is(getEventListeners(signal, "abort").length, 0);
  const left = outcome(waitFor(pendingRefresh, { ...about(clock), timeoutMs: 100, signal }));
  controller.abort();
  t.is(((await left) as AuthdError).reason, "cancelled");
  t.is(getEventListeners(signal, "abort").length, 0);
  t.is(clock.pending, 0);
});

test("a flight that ends leaves nothing behind either", async (t) => {
  const clock = new FakeClock();
  const { flight: pendingRefresh, land } = flying();
  const { signal } = new AbortController();
  const waiting = waitFor(pendingRefresh, { ...about(clock), timeoutMs: 100, signal });
  land();
  await waiting;
  t.is(getEventListeners(signal, "abort").length, 0);
  t.is(clock.pending, 0);
});

test("a caller that is gone already does not wait", async (t) => {
  const { flight: pendingRefresh } = flying();
  const gone = await outcome(
    waitFor(pendingRefresh, { ...about(new FakeClock()), signal: AbortSignal.abort() }),
  );
  t.is((gone as AuthdError).reason, "cancelled");
  t.false(pendingRefresh.awaited);
});
