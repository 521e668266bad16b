import { getEventListeners } from "node:events";
import test from "ava";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { PendingRefresh } from "../../src/credential/token-slot.ts";
import { WAIT_LIMIT, waitFor } from "../../src/credential/wait.ts";
import { AuthdError } from "../../src/errors.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

const token = { accessToken: "token" } as IssuedToken;

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

function startPending() {
  const { promise, resolve, reject } = withResolvers<IssuedToken>();
  promise.catch(() => {});
  const pendingRefresh: PendingRefresh = { awaited: false, promise };
  return { pendingRefresh, resolve: () => resolve(token), reject };
}

const about = (clock: FakeClock) => ({ credential: "demo", clock });

const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => error);

test("a request that a caller waits for goes first", async (t) => {
  const { pendingRefresh, resolve } = startPending();
  const waiting = waitFor(pendingRefresh, about(new FakeClock()));
  t.true(pendingRefresh.awaited);
  resolve();
  t.is(await waiting, token);
});

test("its failure is the caller's", async (t) => {
  const { pendingRefresh, reject } = startPending();
  const waiting = outcome(waitFor(pendingRefresh, about(new FakeClock())));
  const failure = new AuthdError("issuer_unavailable", "down");
  reject(failure);
  t.is(await waiting, failure);
});

test("timeoutMs is the caller's limit, maxWaitMs ours; the earlier one ends the wait", async (t) => {
  const clock = new FakeClock();
  const { pendingRefresh } = startPending();
  const short = outcome(
    waitFor(pendingRefresh, { ...about(clock), timeoutMs: 100, maxWaitMs: 200 }),
  );
  const bounded = outcome(
    waitFor(pendingRefresh, { ...about(clock), timeoutMs: 300, maxWaitMs: 200 }),
  );
  clock.advance(100);
  t.is(((await short) as AuthdError).reason, "timeout");
  clock.advance(100);
  t.is(await bounded, WAIT_LIMIT);
});

test("whoever gives up leaves nothing behind, although the request goes on", async (t) => {
  const clock = new FakeClock();
  const { pendingRefresh } = startPending();
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

test("a request that ends leaves nothing behind either", async (t) => {
  const clock = new FakeClock();
  const { pendingRefresh, resolve } = startPending();
  const { signal } = new AbortController();
  const waiting = waitFor(pendingRefresh, { ...about(clock), timeoutMs: 100, signal });
  resolve();
  await waiting;
  t.is(getEventListeners(signal, "abort").length, 0);
  t.is(clock.pending, 0);
});

test("a caller that is gone already does not wait", async (t) => {
  const { pendingRefresh } = startPending();
  const gone = await outcome(
    waitFor(pendingRefresh, { ...about(new FakeClock()), signal: AbortSignal.abort() }),
  );
  t.is((gone as AuthdError).reason, "cancelled");
  t.false(pendingRefresh.awaited);
});
