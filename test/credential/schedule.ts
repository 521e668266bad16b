import test from "ava";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { Rotation } from "../../src/credential/record.ts";
import {
  backoff,
  callerRetryAt,
  deadlineOf,
  didNotExtendExpiry,
  recordFailure,
  refreshTokenDeadline,
} from "../../src/credential/schedule.ts";
import { refreshAt, type Token } from "../../src/credential/token.ts";
import { createTokenSlot, type TokenSlot } from "../../src/credential/token-slot.ts";
import { AuthdError, type AuthdErrorDetails, type IssuerContact } from "../../src/errors.ts";

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
  ageUncertain: false,
  ...more,
});
const slot = (more: Partial<TokenSlot> = {}): TokenSlot => ({
  ...createTokenSlot({}),
  lastUsedAt: now.boot,
  ...more,
});
const issued = (of: Token) => ({ token: of }) as IssuedToken;
const failing = (details: AuthdErrorDetails = {}) =>
  new AuthdError("issuer_unavailable", "down", details);

test("a token in use is due at its renewal, one that is not in use never", (t) => {
  const held = issued(token());
  t.is(deadlineOf(slot({ issued: held }), false, now), refreshAt(held.token));
  const unused = slot({ issued: held, lastUsedAt: now.boot - 12 * HOUR });
  t.is(deadlineOf(unused, false, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(unused, true, now), refreshAt(held.token));
});

test("without a token only what failed, or is always to be warm, is due", (t) => {
  t.is(deadlineOf(slot(), false, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(slot(), true, now), now.boot);
  t.is(deadlineOf(slot({ failures: 1, retryAt: now.boot + 7 }), false, now), now.boot + 7);
});

test("what is in doubt, or over by the wall clock, is due at once, but not before its next try", (t) => {
  const doubtful = issued(token({ ageUncertain: true }));
  t.is(deadlineOf(slot({ issued: doubtful }), false, now), now.boot);
  const over = issued(token({ obtainedAt: now.wall - 2 * HOUR }));
  t.is(deadlineOf(slot({ issued: over }), false, now), now.boot);
  t.is(deadlineOf(slot({ issued: over, spreadUntil: now.boot + 9 }), false, now), now.boot + 9);
});

test("nothing is due while a request is under way, for what the issuer refuses, or another scope revoked", (t) => {
  const pendingRefresh = { awaited: false, promise: new Promise<IssuedToken>(() => {}) };
  t.is(deadlineOf(slot({ pendingRefresh }), true, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(slot({ rejectedWith: failing() }), true, now), Number.POSITIVE_INFINITY);
  t.is(deadlineOf(slot({ superseded: true }), true, now), Number.POSITIVE_INFINITY);
});

test("a failure puts off: by back-off, by Retry-After up to an hour, by a firewall's five minutes", (t) => {
  const ordinary = slot();
  recordFailure(ordinary, failing(), now, 0.5);
  t.deepEqual([ordinary.failures, ordinary.retryAt - now.boot], [1, SECOND]);
  const told = slot();
  recordFailure(told, failing({ retryAfterMs: 2 * HOUR }), now, 0.5);
  t.deepEqual([told.retryAt - now.boot, told.notBefore - now.boot], [HOUR, HOUR]);
  const blocked = slot();
  recordFailure(
    blocked,
    failing({ contact: { sent: true, answered: true, blocked: true } }),
    now,
    0.5,
  );
  t.is(blocked.notBefore - now.boot, 5 * MINUTE);
  t.is(blocked.retryAt, blocked.notBefore);
});

test("a caller brings a try forward to 5 s after the last, never before Retry-After, never later than it was", (t) => {
  const failed = { failures: 6, callerRetryDelayMs: 5 * SECOND, retryAt: now.boot + MINUTE };
  const waiting = slot({ ...failed, lastAttemptAt: now.boot - SECOND });
  t.is(callerRetryAt(waiting, now), now.boot + 4 * SECOND);
  const told = slot({ ...failed, lastAttemptAt: 0, notBefore: now.boot + 30_000 });
  t.is(callerRetryAt(told, now), now.boot + 30_000);
  const soon = slot({ ...failed, lastAttemptAt: now.boot, retryAt: now.boot + SECOND });
  t.is(callerRetryAt(soon, now), now.boot + SECOND);
});

test("what callers bring forward backs off as well, unless nothing was sent", (t) => {
  const paces = (contact?: IssuerContact) =>
    [1, 4, 5, 8, 20].map((failures) => {
      const one = slot({ failures: failures - 1 });
      recordFailure(one, failing(contact ? { contact } : {}), now, 0);
      return one.callerRetryDelayMs / SECOND;
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
  t.true(didNotExtendExpiry(before, token({ bornAt: later.boot, lifetime: HOUR - 10_000 }), later));
  t.false(didNotExtendExpiry(before, token({ bornAt: later.boot }), later));
  t.true(
    didNotExtendExpiry(
      undefined,
      token({ bornAt: now.boot - HOUR / 2, lifetime: HOUR / 2 + 1 }),
      now,
    ),
  );
  // Both of the same second, as two programs that force a refresh get them.
  t.false(
    didNotExtendExpiry(before, token({ bornAt: now.boot + SECOND, lifetime: HOUR - SECOND }), now),
  );
  const forever = token({ lifetime: Number.POSITIVE_INFINITY });
  t.false(didNotExtendExpiry(forever, forever, later));
});

test("a refresh token that runs out is due with the lead of its own lifetime", (t) => {
  const rotation = { worked: true, expiresAt: now.wall + 24 * HOUR, lifetime: 24 * HOUR };
  const deadline = (of: Rotation | undefined) => refreshTokenDeadline(of, now, "boot-1");
  t.is(deadline(rotation), now.boot + 23 * HOUR);
  t.is(deadline({ worked: true }), Number.POSITIVE_INFINITY);
  t.is(deadline(undefined), Number.POSITIVE_INFINITY);
});

test("the wait doubles from 1 s to 5 min", (t) => {
  const waits = [1, 2, 3, 8, 9, 10, 1_000].map((failures) => backoff({ failures, random: 1 }));
  t.deepEqual(
    waits,
    [1, 2, 4, 128, 256, 300, 300].map((seconds) => seconds * SECOND),
  );
});

test("jitter takes up to half, but never goes under 1 s", (t) => {
  t.is(backoff({ failures: 1, random: 0 }), SECOND);
  t.is(backoff({ failures: 4, random: 0 }), 4 * SECOND);
  t.is(backoff({ failures: 4, random: 0.5 }), 6 * SECOND);
});

test("Retry-After is honoured up to an hour", (t) => {
  t.is(backoff({ failures: 1, retryAfter: 90 * SECOND, random: 0 }), 90 * SECOND);
  t.is(backoff({ failures: 1, retryAfter: 86_400 * SECOND, random: 0 }), 60 * MINUTE);
});

test("after a firewall's 403 the wait is 5 min to 1 h", (t) => {
  const wait = (failures: number, random: number) => backoff({ failures, kind: "blocked", random });
  t.is(wait(1, 0), 5 * MINUTE);
  t.is(wait(1, 1), 5 * MINUTE);
  t.is(wait(3, 0), 10 * MINUTE);
  t.is(wait(50, 1), 60 * MINUTE);
});
