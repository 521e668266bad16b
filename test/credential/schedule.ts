import test from "ava";
import type { IssuedToken } from "../../src/credential/issued.ts";
import type { Rotation } from "../../src/credential/record.ts";
import {
  bringsNothing,
  broughtForward,
  deadlineOf,
  putOff,
  refreshTokenDeadline,
} from "../../src/credential/schedule.ts";
import { createVariant, type Variant } from "../../src/credential/variant.ts";
import { AuthdError, type AuthdErrorDetails, type IssuerContact } from "../../src/errors.ts";
import { refreshAt, type Token } from "../../src/token.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const now = { wall: 1_900_000_000_000, boot: 100 * HOUR };

const token = (more: Partial<Token> = {}): Token => ({
  lifetime: HOUR,
  assumed: false,
  bornAt: now.boot,
  obtainedAt: now.wall,
  jitter: 0,
  doubtful: false,
  ...more,
});
const variant = (more: Partial<Variant> = {}): Variant => ({
  ...createVariant({}),
  askedAt: now.boot,
  ...more,
});
const issued = (of: Token) => ({ token: of }) as IssuedToken;
const failing = (details: AuthdErrorDetails = {}) =>
  new AuthdError("issuer_unavailable", "down", details);

test("a token in use is due at its renewal, one that is not in use never", (t) => {
  const held = issued(token());
  t.is(deadlineOf(variant({ issued: held }), false, now), refreshAt(held.token));
  const unused = variant({ issued: held, askedAt: now.boot - 12 * HOUR });
  t.is(deadlineOf(unused, false, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(unused, true, now), refreshAt(held.token));
});

test("without a token only what failed, or is always to be warm, is due", (t) => {
  t.is(deadlineOf(variant(), false, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(variant(), true, now), now.boot);
  t.is(deadlineOf(variant({ failures: 1, retryAt: now.boot + 7 }), false, now), now.boot + 7);
});

test("what is in doubt, or over by the wall clock, is due at once, but not before its next try", (t) => {
  const doubtful = issued(token({ doubtful: true }));
  t.is(deadlineOf(variant({ issued: doubtful }), false, now), now.boot);
  const over = issued(token({ obtainedAt: now.wall - 2 * HOUR }));
  t.is(deadlineOf(variant({ issued: over }), false, now), now.boot);
  t.is(deadlineOf(variant({ issued: over, spreadUntil: now.boot + 9 }), false, now), now.boot + 9);
});

test("nothing is due while a flight is under way, for what the issuer refuses, or another scope revoked", (t) => {
  const flight = { awaited: false, promise: new Promise<IssuedToken>(() => {}) };
  t.is(deadlineOf(variant({ flight }), true, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(variant({ stopped: failing() }), true, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(variant({ superseded: true }), true, now), Number.POSITIVE_INFINITY);
});

test("a failure puts off: by back-off, by Retry-After up to an hour, by a firewall's five minutes", (t) => {
  const ordinary = variant();
  putOff(ordinary, failing(), now, 0.5);
  t.deepEqual([ordinary.failures, ordinary.retryAt - now.boot], [1, SECOND]);
  const told = variant();
  putOff(told, failing({ retryAfterMs: 2 * HOUR }), now, 0.5);
  t.deepEqual([told.retryAt - now.boot, told.holdUntil - now.boot], [HOUR, HOUR]);
  const blocked = variant();
  putOff(blocked, failing({ contact: { sent: true, answered: true, blocked: true } }), now, 0.5);
  t.is(blocked.holdUntil - now.boot, 5 * MINUTE);
  t.is(blocked.retryAt, blocked.holdUntil);
});

test("a caller brings a try forward to 5 s after the last, never before Retry-After, never later than it was", (t) => {
  const failed = { failures: 6, callerPace: 5 * SECOND, retryAt: now.boot + MINUTE };
  const waiting = variant({ ...failed, triedAt: now.boot - SECOND });
  t.is(broughtForward(waiting, now), now.boot + 4 * SECOND);
  const told = variant({ ...failed, triedAt: 0, holdUntil: now.boot + 30_000 });
  t.is(broughtForward(told, now), now.boot + 30_000);
  const soon = variant({ ...failed, triedAt: now.boot, retryAt: now.boot + SECOND });
  t.is(broughtForward(soon, now), now.boot + SECOND);
});

test("what callers bring forward backs off as well, unless nothing was sent", (t) => {
  const paces = (contact?: IssuerContact) =>
    [1, 4, 5, 8, 20].map((failures) => {
      const one = variant({ failures: failures - 1 });
      putOff(one, failing(contact ? { contact } : {}), now, 0);
      return one.callerPace / SECOND;
    });
  t.deepEqual(paces(), [5, 5, 8, 64, 150]);
  t.deepEqual(paces({ sent: false, answered: false }), [5, 5, 5, 5, 5]);
  t.deepEqual(paces({ sent: true, answered: false }), [5, 5, 5, 16, 37.5]);
  t.deepEqual(paces({ sent: true, answered: true, busy: true }), [5, 5, 5, 16, 37.5]);
  t.deepEqual(paces({ sent: true, answered: true, lasting: true }), [5, 5, 8, 64, 1_800]);
  t.deepEqual(paces({ sent: true, answered: true, refusal: "no" }).slice(0, 2), [7.5, 60]);
});

test("a renewal brings nothing if it ends no later, or is due again at once", (t) => {
  const later = { ...now, boot: now.boot + 10 * SECOND };
  const before = token();
  t.true(bringsNothing(before, token({ bornAt: later.boot, lifetime: HOUR - 10_000 }), later));
  t.false(bringsNothing(before, token({ bornAt: later.boot }), later));
  t.true(
    bringsNothing(undefined, token({ bornAt: now.boot - HOUR / 2, lifetime: HOUR / 2 + 1 }), now),
  );
  // Both of the same second, as two programs that force a refresh get them.
  t.false(
    bringsNothing(before, token({ bornAt: now.boot + SECOND, lifetime: HOUR - SECOND }), now),
  );
  const forever = token({ lifetime: Number.POSITIVE_INFINITY });
  t.false(bringsNothing(forever, forever, later));
});

test("a refresh token that runs out is due with the lead of its own lifetime", (t) => {
  const rotation = { worked: true, expiresAt: now.wall + 24 * HOUR, lifetime: 24 * HOUR };
  const deadline = (of: Rotation | undefined) => refreshTokenDeadline(of, now, "boot-1");
  t.is(deadline(rotation), now.boot + 23 * HOUR);
  t.is(deadline({ worked: true }), Number.POSITIVE_INFINITY);
  t.is(deadline(undefined), Number.POSITIVE_INFINITY);
});
