/**
 * When a token is good, and when to renew it: pure functions of the token and of now.
 * All durations and times are milliseconds.
 */

import type { Moment } from "../base/timekeeper.ts";
import type { Acquired } from "../grants/grant.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A lifetime that nobody told. */
const ASSUMED_LIFETIME = HOUR;
/** Beyond any Date; keeps sums exact (Labelf's tokens live 99 years). */
const LONGEST_LIFETIME = 1_000 * 366 * DAY;
/** `iat` is cut to whole seconds: a clock this little behind may be right. */
const CLOCK_TOLERANCE = 2 * SECOND;
const DEFAULT_MIN_VALIDITY = 30 * SECOND;
/** The system tells boot time in ticks of 10 ms, and over a restart two of them count. */
const CLOCK_RESOLUTION_MS = 20;
const JITTER = 0.2;

/** How long a token lives, counted from the moment its request was sent. */
export interface Lifetime {
  /** Infinity: a static token. */
  lifetime: number;
  /** Nobody told it: it schedules a renewal, but never makes the token unusable. */
  assumed: boolean;
  /** The issuer's own wish, between 0 and the lifetime. */
  refreshIn?: number;
}

/** A cached token as it is sealed. */
export interface StoredToken extends Omit<Lifetime, "lifetime"> {
  /** Null stands for Infinity, which JSON lacks. */
  lifetime: number | null;
  /** What was asked for; absent: the credential's own. */
  variant?: { scope?: string; audience?: string };
  accessToken: string;
  tokenType: string;
  scope?: string;
  /** When the request was sent. */
  obtainedAt: Stamp;
  /** Uniform in [0, 1): spreads the renewals of tokens acquired together. */
  jitter: number;
  /** Wall clock: when a program last asked for it. */
  askedAt: number;
  /** The same on the boot clock of `obtainedAt`. */
  askedAtBoot?: number;
}

/** The clocks at some moment, and which boot of the machine `boot` counts from. */
export type Stamp = Moment & { bootId: string };

/** A token with its times on this boot's clock. */
export interface Token extends Lifetime {
  /** Boot time at which its age was 0. */
  bornAt: number;
  /** Wall time at which its age was 0. */
  obtainedAt: number;
  jitter: number;
  /** Its age can't be told for sure (it comes from the future): renew before use if that can be done. */
  ageUncertain: boolean;
}

/**
 * Returns the earliest end that is told: by `expires_in`, the JWT's `exp` on the issuer's clock, and
 * `exp − iat`. Where the issuer's clock is not known, `iat` tells it; if nothing does and by ours `exp`
 * is over, `expires_in` counts alone. `ttl` (seconds) counts only if no end is told.
 */
export function lifetimeOf(
  acquired: Acquired,
  sentAt: number,
  answeredAt: number,
  ttl: number | undefined,
): Lifetime {
  if (acquired.expiresIn === "forever")
    return { lifetime: Number.POSITIVE_INFINITY, assumed: false };
  const told = [
    ...(acquired.expiresIn === undefined ? [] : [acquired.expiresIn * SECOND]),
    ...jwtLifetime(acquired, sentAt, answeredAt),
  ];
  if (told.length === 0) {
    if (ttl === undefined) return { lifetime: ASSUMED_LIFETIME, assumed: true };
    told.push(ttl * SECOND);
  }
  const lifetime = Math.min(Math.max(0, Math.min(...told)), LONGEST_LIFETIME);
  const refreshIn = (acquired.refreshIn ?? 0) * SECOND;
  return refreshIn > 0 && refreshIn < lifetime
    ? { lifetime, assumed: false, refreshIn }
    : { lifetime, assumed: false };
}

function jwtLifetime(acquired: Acquired, sentAt: number, answeredAt: number): number[] {
  const { jwt, issuerSentAt, expiresIn } = acquired;
  if (jwt?.exp === undefined) return [];
  const exp = jwt.exp * SECOND;
  const iat = jwt.iat === undefined ? undefined : jwt.iat * SECOND;
  // Counted as if it had been issued when it was asked for.
  const whole = iat !== undefined && iat < exp ? [exp - iat] : [];
  if (issuerSentAt !== undefined) return [exp - issuerSentAt, ...whole];
  const isOff = iat !== undefined && (iat > answeredAt || iat < sentAt - CLOCK_TOLERANCE);
  if (isOff && whole.length > 0) return whole;
  const left = exp - sentAt;
  // By a clock that nobody tells it is over, although the issuer has just said how long it lives.
  return left <= 0 && iat === undefined && expiresIn !== undefined ? [] : [left, ...whole];
}

/** How long before its end a token of this lifetime is renewed; jitter in [0, 1) lengthens it. */
export function refreshLeadMs(lifetime: number, jitter: number): number {
  const least = Math.min(MINUTE, lifetime / 2);
  const most = Math.min(Math.max(HOUR, lifetime / 24), DAY);
  return Math.min(Math.max(lifetime / 4, least), most) * (1 + JITTER * jitter);
}

/** Boot time at which to renew; Infinity for a static token. */
export function refreshAt(token: Token): number {
  if (token.lifetime === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (token.refreshIn === undefined) {
    return token.bornAt + token.lifetime - refreshLeadMs(token.lifetime, token.jitter);
  }
  const lead = (token.lifetime - token.refreshIn) * (1 + JITTER * token.jitter);
  return token.bornAt + Math.max(token.lifetime - lead, token.refreshIn / 2);
}

/** Boot time at which the token becomes unusable; Infinity if it never does. */
export function expiryOf(token: Token): number {
  return token.assumed ? Number.POSITIVE_INFINITY : token.bornAt + token.lifetime;
}

/** What clients are told (ms since the epoch): corrected for steps of the wall clock since. */
export function expiresAt(token: Token, now: Moment): number | null {
  const expiry = expiryOf(token);
  return expiry === Number.POSITIVE_INFINITY ? null : Math.round(now.wall + expiry - now.boot);
}

/**
 * - fresh: hand it out;
 * - stale: still valid, but renew first if that can be done (too little left, or its age is in doubt);
 * - expired: never hand it out.
 * `minValidity` is what the caller wants left; the default is 30 s or a quarter of the lifetime,
 * and a given one counts up to half of it.
 */
export function freshness(
  token: Token,
  now: Moment,
  minValidity?: number,
): "fresh" | "stale" | "expired" {
  const left = expiryOf(token) - now.boot;
  if (left === Number.POSITIVE_INFINITY) return token.ageUncertain ? "stale" : "fresh";
  if (left <= CLOCK_RESOLUTION_MS) return "expired";
  const wanted =
    minValidity === undefined
      ? Math.min(DEFAULT_MIN_VALIDITY, token.lifetime / 4)
      : Math.min(minValidity, token.lifetime / 2);
  if (left < wanted || token.ageUncertain) return "stale";
  return now.wall >= token.obtainedAt + token.lifetime ? "stale" : "fresh";
}

/**
 * How long ago it was, in ms. On the same boot this is exact, whatever the wall clock says; after a
 * restart of the machine the wall clock tells it, and may put it in the future: then it is negative.
 */
export function ageOf(stamp: Stamp, now: Moment, bootId: string): number {
  return isOfThisBoot(stamp, now, bootId) ? now.boot - stamp.boot : now.wall - stamp.wall;
}

function isOfThisBoot(stamp: Stamp, now: Moment, bootId: string): boolean {
  return bootId !== "" && stamp.bootId === bootId && stamp.boot <= now.boot;
}

/** Boot time at which a program last asked for a sealed token. */
export function lastAsked(stored: StoredToken, now: Moment, bootId: string): number {
  const { askedAt, askedAtBoot, obtainedAt } = stored;
  if (askedAtBoot !== undefined && isOfThisBoot(obtainedAt, now, bootId)) {
    return Math.min(askedAtBoot, now.boot);
  }
  return now.boot - Math.max(0, now.wall - askedAt);
}

/** A sealed token on this boot's clock. */
export function restore(stored: StoredToken, now: Moment, bootId: string): Token {
  const { lifetime, assumed, refreshIn, obtainedAt, jitter } = stored;
  const age = ageOf(obtainedAt, now, bootId);
  return {
    lifetime: lifetime ?? Number.POSITIVE_INFINITY,
    assumed,
    ...(refreshIn === undefined ? {} : { refreshIn }),
    bornAt: now.boot - Math.max(0, age),
    obtainedAt: obtainedAt.wall,
    jitter,
    ageUncertain: age < 0 && lifetime !== null,
  };
}
