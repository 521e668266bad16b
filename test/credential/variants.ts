import test from "ava";
import type { IssuedToken } from "../../src/credential/issued.ts";
import { variationOf } from "../../src/credential/variant.ts";
import { Variants } from "../../src/credential/variants.ts";
import type { AuthdError } from "../../src/errors.ts";

const flight = () => ({ awaited: false, promise: new Promise<IssuedToken>(() => {}) });

test("the credential's own scope and audience, in any order, are no variation", (t) => {
  const own = { scope: "read write", audience: "api" };
  t.deepEqual(variationOf(own, "write  read write", "api"), {});
  t.deepEqual(variationOf(own, undefined, undefined), {});
  t.deepEqual(variationOf(own, "b a", "other"), { scope: "a b", audience: "other" });
  t.deepEqual(variationOf({}, ""), {});
  t.deepEqual(variationOf(own, ""), { scope: "" });
});

test("one variation is one variant", (t) => {
  const variants = new Variants();
  t.is(variants.of({}), variants.own);
  t.is(variants.asked({ scope: "a" }, "demo"), variants.of({ scope: "a" }));
  t.not(variants.of({ scope: "a" }), variants.of({ audience: "a" }));
  t.is(variants.all().length, 3);
});

test("the one not asked for longest makes room, but not one that is being obtained", (t) => {
  const variants = new Variants();
  for (let i = 1; i < 32; i++) {
    const variant = variants.asked({ scope: `s${i}` }, "demo");
    variant.askedAt = i;
    if (i === 1) variant.flight = flight();
  }
  const [first, second] = [variants.of({ scope: "s1" }), variants.of({ scope: "s2" })];
  variants.asked({ scope: "s32" }, "demo");
  t.is(variants.all().length, 32);
  t.true(variants.has(first));
  t.false(variants.has(second));
});

test("when all are being obtained there is no room for another", (t) => {
  const variants = new Variants();
  for (let i = 1; i < 32; i++) variants.asked({ scope: `s${i}` }, "demo").flight = flight();
  const error = t.throws(() => variants.asked({ scope: "s32" }, "demo")) as AuthdError;
  t.is(error.reason, "too_busy");
  t.true((error.retryAfterMs ?? 0) > 0);
});

test("what is forgotten is no longer had, except for when the own one was asked for", (t) => {
  const variants = new Variants();
  const [own, other] = [variants.own, variants.of({ scope: "a" })];
  own.askedAt = 7;
  own.failures = 3;
  variants.forget();
  t.false(variants.has(own));
  t.false(variants.has(other));
  t.is(variants.own.askedAt, 7);
  t.is(variants.own.failures, 0);
});

test("what waits for its turn is kept with nothing but that, if it is to serve for new secrets", (t) => {
  const variants = new Variants();
  const { own } = variants;
  const [queued, sent, idle] = ["a", "b", "c"].map((scope) => variants.of({ scope }));
  own.flight = flight();
  queued!.flight = flight();
  sent!.flight = { ...flight(), sent: true };
  Object.assign(own, { askedAt: 7, failures: 3, retryAt: 9 });
  variants.forget(true);
  t.deepEqual(variants.all(), [own, queued!]);
  t.deepEqual(
    [own, sent!, idle!].map((each) => variants.has(each)),
    [true, false, false],
  );
  t.truthy(own.flight);
  t.deepEqual([own.askedAt, own.failures, own.retryAt], [7, 0, 0]);
  variants.forget();
  t.false(variants.has(own));
});

test("the own one stands for the credential, unless only others are in use", (t) => {
  const variants = new Variants();
  t.is(variants.face(), variants.own);
  const [older, newer] = [variants.of({ scope: "a" }), variants.of({ scope: "b" })];
  Object.assign(older, { askedAt: 1 });
  Object.assign(newer, { askedAt: 2 });
  t.is(variants.face(), newer);
  variants.own.failures = 1;
  t.is(variants.face(), variants.own);
});
