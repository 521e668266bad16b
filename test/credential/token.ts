import test from "ava";
import fc from "fast-check";
import type { StoredToken } from "../../src/credential/record.ts";
import {
  expiresAt,
  expiryOf,
  freshness,
  lastUsedAt,
  lifetimeOf,
  refreshAt,
  refreshLeadMs,
  restore,
  type Token,
} from "../../src/credential/token.ts";
import type { Acquired } from "../../src/grants/grant.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = { wall: Date.parse("2030-01-01T00:00:00Z"), boot: 5 * DAY };

const acquired = (parts: Partial<Acquired> = {}): Acquired => ({
  accessToken: "token",
  tokenType: "Bearer",
  ...parts,
});

const token = (parts: Partial<Token> = {}): Token => ({
  lifetime: HOUR,
  assumed: false,
  bornAt: NOW.boot,
  obtainedAt: NOW.wall,
  jitter: 0,
  ageUncertain: false,
  ...parts,
});

const later = (ms: number) => ({ wall: NOW.wall + ms, boot: NOW.boot + ms });

test("the lifetime is the earlier of expires_in and the JWT's exp", (t) => {
  const exp = (NOW.wall + 10 * MINUTE) / SECOND;
  const life = (parts: Partial<Acquired>) =>
    lifetimeOf(acquired(parts), NOW.wall, NOW.wall, {}).lifetime;
  t.is(life({ expiresIn: 3600, jwt: { exp } }), 10 * MINUTE);
  t.is(life({ expiresIn: 300, jwt: { exp } }), 5 * MINUTE);
  t.is(life({ jwt: { exp } }), 10 * MINUTE);
});

test("exp is on the issuer's clock where that is known, else iat tells it", (t) => {
  const ahead = 5 * MINUTE;
  const jwt = {
    exp: (NOW.wall + ahead + HOUR) / SECOND,
    iat: (NOW.wall + ahead) / SECOND,
  };
  const life = (parts: Partial<Acquired>) =>
    lifetimeOf(acquired(parts), NOW.wall, NOW.wall + 200, {}).lifetime;
  t.is(life({ jwt }), HOUR);
  t.is(life({ jwt, issuerSentAt: NOW.wall + ahead }), HOUR, "however long the answer took");
  t.is(life({ jwt, issuerSentAt: NOW.wall + ahead + MINUTE }), HOUR - MINUTE);
  t.is(life({ jwt, issuerSentAt: NOW.wall }), HOUR, "no longer than from iat to exp");
  t.is(life({ jwt: { exp: jwt.exp } }), HOUR + ahead);
  // An issuer that is behind would otherwise seem to give tokens that have expired.
  t.is(
    life({ jwt: { exp: (NOW.wall - 4 * MINUTE) / SECOND, iat: (NOW.wall - 5 * MINUTE) / SECOND } }),
    MINUTE,
  );
});

test("Labelf's 99-year lifetime fits every sum and every timer", (t) => {
  const { lifetime, assumed } = lifetimeOf(
    acquired({ expiresIn: 3_122_063_999 }),
    NOW.wall,
    NOW.wall,
    {},
  );
  t.is(lifetime, 3_122_063_999_000);
  t.false(assumed);
  const long = token({ lifetime });
  t.is(refreshLeadMs(lifetime, 0), DAY);
  t.is(refreshAt(long), NOW.boot + lifetime - DAY);
  t.is(freshness(long, later(50 * 365 * DAY)), "fresh");
  t.is(new Date(expiresAt(long, NOW) ?? 0).getUTCFullYear(), 2128);
});

test("without any lifetime an hour is assumed, which never makes the token unusable", (t) => {
  const life = lifetimeOf(acquired(), NOW.wall, NOW.wall, {});
  t.deepEqual(life, { lifetime: HOUR, assumed: true });
  const assumed = token({ assumed: true });
  t.is(freshness(assumed, later(30 * DAY)), "fresh");
  t.is(expiresAt(assumed, NOW), null);
  t.is(refreshAt(assumed), NOW.boot + 45 * MINUTE);
  t.deepEqual(lifetimeOf(acquired(), NOW.wall, NOW.wall, { ttl: 120 }), {
    lifetime: 2 * MINUTE,
    assumed: false,
  });
});

test("a static token lives forever", (t) => {
  const { lifetime } = lifetimeOf(acquired({ expiresIn: "forever" }), NOW.wall, NOW.wall, {
    ttl: 60,
  });
  const eternal = token({ lifetime });
  t.is(refreshAt(eternal), Number.POSITIVE_INFINITY);
  t.is(freshness(eternal, later(1_000 * DAY), 10 * DAY), "fresh");
  t.is(expiresAt(eternal, NOW), null);
});

test("the lead is a quarter of the lifetime within its bounds, and jitter lengthens it", (t) => {
  t.is(refreshLeadMs(2 * SECOND, 0), SECOND);
  t.is(refreshLeadMs(MINUTE, 0), 30 * SECOND);
  t.is(refreshLeadMs(3 * MINUTE, 0), MINUTE);
  t.is(refreshLeadMs(HOUR, 0), 15 * MINUTE);
  t.is(refreshLeadMs(8 * HOUR, 0), HOUR);
  t.is(refreshLeadMs(10 * DAY, 0), 10 * HOUR);
  t.is(refreshLeadMs(90 * DAY, 0), DAY);
  t.is(Math.round(refreshLeadMs(HOUR, 0.5)), 16.5 * MINUTE);
});

test("refresh_in counts only between 0 and the lifetime", (t) => {
  const life = (refreshIn: number) =>
    lifetimeOf(acquired({ expiresIn: 3600, refreshIn }), NOW.wall, NOW.wall, {});
  t.is(life(1800).refreshIn, 30 * MINUTE);
  for (const wish of [0, -5, 3600, 7200]) t.is(life(wish).refreshIn, undefined);
  t.is(refreshAt(token({ refreshIn: 30 * MINUTE })), NOW.boot + 30 * MINUTE);
  t.is(refreshAt(token({ refreshIn: 10, jitter: 0.99 })), NOW.boot + 5);
});

test("every token is renewed after its birth and before its end", (t) => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 4e12, noNaN: true }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.option(fc.double({ min: 0.001, max: 0.999, noNaN: true }), { nil: undefined }),
      (lifetime, jitter, wish) => {
        const any = token({
          lifetime,
          jitter,
          ...(wish === undefined ? {} : { refreshIn: lifetime * wish }),
        });
        return refreshAt(any) > any.bornAt && refreshAt(any) < expiryOf(any);
      },
    ),
  );
  t.pass();
});

test("what a caller wants left counts up to half of the lifetime", (t) => {
  const short = token({ lifetime: 2 * MINUTE });
  t.is(freshness(short, later(80 * SECOND)), "fresh");
  t.is(freshness(short, later(91 * SECOND)), "stale");
  t.is(freshness(short, later(59 * SECOND), HOUR), "fresh");
  t.is(freshness(short, later(61 * SECOND), HOUR), "stale");
  t.is(freshness(short, later(119 * SECOND), 0), "fresh");
  t.is(freshness(short, later(120 * SECOND), 0), "expired");
});

test("expired by the wall clock alone is in doubt, not expired", (t) => {
  t.is(freshness(token(), { wall: NOW.wall + DAY, boot: NOW.boot + MINUTE }), "stale");
  t.is(freshness(token(), { wall: NOW.wall - DAY, boot: NOW.boot + MINUTE }), "fresh");
});

test("clients are told an expiry on the wall clock as it is now", (t) => {
  const stepped = { wall: NOW.wall + DAY, boot: NOW.boot + 10 * MINUTE };
  t.is(expiresAt(token(), stepped), stepped.wall + 50 * MINUTE);
});

const stored = (parts: Partial<StoredToken> = {}): StoredToken => ({
  accessToken: "token",
  tokenType: "Bearer",
  lifetime: HOUR,
  assumed: false,
  obtainedAt: { ...NOW, bootId: "a" },
  jitter: 0,
  askedAt: NOW.wall,
  ...parts,
});

test("a token that no program has asked for on this host was never used", (t) => {
  t.is(lastUsedAt(stored({ askedAt: 0 }), NOW, "a"), Number.NEGATIVE_INFINITY);
  t.is(lastUsedAt(stored(), NOW, "b"), NOW.boot);
});

test("after a restart of the daemon the boot clock tells a token's age, whatever the wall clock says", (t) => {
  const now = { wall: NOW.wall - DAY, boot: NOW.boot + 10 * MINUTE };
  const revived = restore(stored(), now, "a");
  t.is(expiryOf(revived) - now.boot, 50 * MINUTE);
  t.false(revived.ageUncertain);
});

test("after a restart of the machine the wall clock tells a token's age", (t) => {
  const now = { wall: NOW.wall + 20 * MINUTE, boot: 3 * SECOND };
  t.is(expiryOf(restore(stored(), now, "b")) - now.boot, 40 * MINUTE);
  t.is(
    freshness(restore(stored(), { wall: NOW.wall + DAY, boot: 3 * SECOND }, "b"), later(DAY)),
    "expired",
  );
});

test("a token from the future is renewed before it is used", (t) => {
  const now = { wall: NOW.wall - HOUR, boot: 3 * SECOND };
  t.is(freshness(restore(stored(), now, "b"), now), "stale");
  t.is(freshness(restore(stored({ lifetime: null }), now, "b"), now), "fresh");
});

test("where the system tells no boot id, only the wall clock counts", (t) => {
  const obtainedAt = { ...NOW, bootId: "" };
  const now = { wall: NOW.wall + 20 * MINUTE, boot: NOW.boot + 5 * SECOND };
  t.is(expiryOf(restore(stored({ obtainedAt }), now, "")) - now.boot, 40 * MINUTE);
});
