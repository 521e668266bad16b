import test from "ava";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import { TokenCache } from "../../src/credential/token-cache.ts";
import { targetOf } from "../../src/credential/token-slot.ts";
import type { AuthdError } from "../../src/errors.ts";

const pendingRefresh = () => ({ awaited: false, promise: new Promise<IssuedToken>(() => {}) });

test("the credential's own scope and audience, in any order, are no variation", (t) => {
  const own = { scope: "read write", audience: "api" };
  t.deepEqual(targetOf(own, "write  read write", "api"), {});
  t.deepEqual(targetOf(own, undefined, undefined), {});
  t.deepEqual(targetOf(own, "b a", "other"), { scope: "a b", audience: "other" });
  t.deepEqual(targetOf({}, ""), {});
  t.deepEqual(targetOf(own, ""), { scope: "" });
});

test("one scope and audience are one slot", (t) => {
  const tokens = new TokenCache();
  t.is(tokens.getOrCreate({}), tokens.own);
  t.is(tokens.getOrEvict({ scope: "a" }, "demo"), tokens.getOrCreate({ scope: "a" }));
  t.not(tokens.getOrCreate({ scope: "a" }), tokens.getOrCreate({ audience: "a" }));
  t.is(tokens.all().length, 3);
});

test("the one not asked for longest makes room, but not one that is being obtained", (t) => {
  const tokens = new TokenCache();
  for (let i = 1; i < 32; i++) {
    const slot = tokens.getOrEvict({ scope: `s${i}` }, "demo");
    slot.lastUsedAt = i;
    if (i === 1) slot.pendingRefresh = pendingRefresh();
  }
  const [first, second] = [
    tokens.getOrCreate({ scope: "s1" }),
    tokens.getOrCreate({ scope: "s2" }),
  ];
  tokens.getOrEvict({ scope: "s32" }, "demo");
  t.is(tokens.all().length, 32);
  t.true(tokens.has(first));
  t.false(tokens.has(second));
});

test("when all are being obtained there is no room for another", (t) => {
  const tokens = new TokenCache();
  for (let i = 1; i < 32; i++)
    tokens.getOrEvict({ scope: `s${i}` }, "demo").pendingRefresh = pendingRefresh();
  const error = t.throws(() => tokens.getOrEvict({ scope: "s32" }, "demo")) as AuthdError;
  t.is(error.reason, "too_busy");
  t.true((error.retryAfterMs ?? 0) > 0);
});

test("what is forgotten is no longer had, except for when the own one was asked for", (t) => {
  const tokens = new TokenCache();
  const [own, other] = [tokens.own, tokens.getOrCreate({ scope: "a" })];
  own.lastUsedAt = 7;
  own.failures = 3;
  tokens.forget();
  t.false(tokens.has(own));
  t.false(tokens.has(other));
  t.is(tokens.own.lastUsedAt, 7);
  t.is(tokens.own.failures, 0);
});

test("what waits for its turn is kept with nothing but that, if it is to serve for new secrets", (t) => {
  const tokens = new TokenCache();
  const { own } = tokens;
  const [queued, sent, idle] = ["a", "b", "c"].map((scope) => tokens.getOrCreate({ scope }));
  own.pendingRefresh = pendingRefresh();
  queued!.pendingRefresh = pendingRefresh();
  sent!.pendingRefresh = { ...pendingRefresh(), sent: true };
  Object.assign(own, { lastUsedAt: 7, failures: 3, retryAt: 9 });
  tokens.forget(true);
  t.deepEqual(tokens.all(), [own, queued!]);
  t.deepEqual(
    [own, sent!, idle!].map((each) => tokens.has(each)),
    [true, false, false],
  );
  t.truthy(own.pendingRefresh);
  t.deepEqual([own.lastUsedAt, own.failures, own.retryAt], [7, 0, 0]);
  tokens.forget();
  t.false(tokens.has(own));
});

test("the own one stands for the credential, unless only others are in use", (t) => {
  const tokens = new TokenCache();
  t.is(tokens.primary(), tokens.own);
  const [older, newer] = [tokens.getOrCreate({ scope: "a" }), tokens.getOrCreate({ scope: "b" })];
  Object.assign(older, { lastUsedAt: 1 });
  Object.assign(newer, { lastUsedAt: 2 });
  t.is(tokens.primary(), newer);
  tokens.own.failures = 1;
  t.is(tokens.primary(), tokens.own);
});
