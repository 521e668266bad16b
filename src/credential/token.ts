/**
 * When a token is valid, and when it is refreshed: pure functions of the token and of now.
 * All durations and times are milliseconds.
 */

import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Acquired } from "../grants/grant.ts";
import type { Stamp, StoredToken } from "./record.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The lifetime of a token of which nothing tells one. */
const ASSUMED_LIFETIME_MS = HOUR;
/** Within the range of Date, so that sums stay exact (Labelf's tokens live 99 years). */
const MAX_LIFETIME_MS = 1_000 * 366 * DAY;
/** `iat` is cut to whole seconds: a clock this little behind may be right. */
const IAT_TOLERANCE_MS = 2 * SECOND;
const DEFAULT_MIN_VALIDITY_MS = 30 * SECOND;
/** The system tells boot time in ticks of 10 ms, and over a restart two of them count. */
const CLOCK_RESOLUTION_MS = 20;
const JITTER = 0.2;
/**
 * A token that was valid for so long, or for half of its life, had worked. More than the longest back-off,
 * or a program that rejects every token would end its own back-off.
 */
const LONG_LIVED_MS = 600 * SECOND;

/** How long a token lives, counted from the moment its request was sent. */
export interface Lifetime {
  /** Infinity: a static token. */
  lifetime: number;
  /** True if nothing tells it: it schedules a refresh, but never makes the token unusable. */
  assumed: boolean;
  /** When the issuer wants a refresh, between 0 and the lifetime. */
  refreshIn?: number;
}

/** A token with its times on this boot's clock. */
export interface Token extends Lifetime {
  /** Boot time at which its age was 0. */
  bornAt: number;
  /** Wall time at which its age was 0. */
  obtainedAt: number;
  /** Uniform in [0, 1). */
  jitter: number;
  /** True if `obtainedAt` lies in the future (the wall clock was set back over a reboot), so the age is unknown. Refresh before use if possible. */
  ageUncertain: boolean;
}

/** The settings of a credential file about its tokens' life, as far as a grant has not applied them. */
type LifeSettings = Pick<CredentialSettings, "ttl" | "lifetime">;

/**
 * Returns the earliest end that is told: by `expires_in`, the JWT's `exp` on the issuer's clock, and
 * `exp − iat`. Where the issuer's clock is not known, `iat` tells it; if nothing does and by the local clock
 * `exp` has passed, `expires_in` counts alone. `ttl` (seconds) counts only if no end is told. The margin is
 * taken off, but never more than half of the lifetime.
 */
export function lifetimeOf(
  acquired: Acquired,
  sentAt: number,
  answeredAt: number,
  { ttl, lifetime: setting }: LifeSettings,
): Lifetime {
  const { expiresIn } = acquired;
  if (expiresIn === "forever") return { lifetime: Number.POSITIVE_INFINITY, assumed: false };
  const told = jwtLifetimes(acquired, sentAt, answeredAt);
  if (expiresIn !== undefined) told.push(expiresIn * SECOND);
  if (told.length === 0) {
    if (ttl === undefined) return { lifetime: ASSUMED_LIFETIME_MS, assumed: true };
    told.push(ttl * SECOND);
  }
  const whole = Math.min(Math.max(0, Math.min(...told)), MAX_LIFETIME_MS);
  const lifetime = Math.max(whole - marginMs(setting), whole / 2);
  const refreshIn = (acquired.refreshIn ?? 0) * SECOND;
  const isUsable = refreshIn > 0 && refreshIn < lifetime;
  return { lifetime, assumed: false, ...(isUsable ? { refreshIn } : {}) };
}

/** Returns the time (ms) by which tokens are to count as ended earlier. */
export function marginMs(setting: LifeSettings["lifetime"]): number {
  return typeof setting === "object" ? (setting.margin ?? 0) * SECOND : 0;
}

function jwtLifetimes(acquired: Acquired, sentAt: number, answeredAt: number): number[] {
  const { jwt, issuerSentAt, expiresIn } = acquired;
  if (jwt?.exp === undefined) return [];
  const exp = jwt.exp * SECOND;
  const iat = jwt.iat === undefined ? undefined : jwt.iat * SECOND;
  // The whole lifetime, as if the token had been issued when it was requested.
  const whole = iat !== undefined && iat < exp ? [exp - iat] : [];
  if (issuerSentAt !== undefined) return [exp - issuerSentAt, ...whole];
  const isOff = iat !== undefined && (iat > answeredAt || iat < sentAt - IAT_TOLERANCE_MS);
  if (isOff && whole.length > 0) return whole;
  const left = exp - sentAt;
  // The local clock, which nothing confirms, says that `exp` has passed, but the issuer gave a lifetime.
  return left <= 0 && iat === undefined && expiresIn !== undefined ? [] : [left, ...whole];
}

/** A successful response to a token request, and when the request was sent and answered. */
export interface TokenResponse {
  acquired: Acquired;
  sent: Moment;
  answered: Moment;
}

/** Returns the lifetime of the token in a response. */
export function lifetimeOfResponse(
  { acquired, sent, answered }: TokenResponse,
  settings: LifeSettings,
): Lifetime {
  // Computed from the boot clock: the wall clock may have been set while the response was on its way.
  const answeredAt = sent.wall + answered.boot - sent.boot;
  return lifetimeOf(acquired, sent.wall, answeredAt, settings);
}

/** Returns how long before its end a token of this lifetime is refreshed; jitter in [0, 1) lengthens it. */
export function refreshLeadMs(lifetime: number, jitter: number): number {
  const least = Math.min(MINUTE, lifetime / 2);
  const most = Math.min(Math.max(HOUR, lifetime / 24), DAY);
  return Math.min(Math.max(lifetime / 4, least), most) * (1 + JITTER * jitter);
}

/** Returns the boot time at which to refresh; Infinity for a static token. */
export function refreshAt(token: Token): number {
  if (token.lifetime === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (token.refreshIn === undefined) {
    return token.bornAt + token.lifetime - refreshLeadMs(token.lifetime, token.jitter);
  }
  const lead = (token.lifetime - token.refreshIn) * (1 + JITTER * token.jitter);
  return token.bornAt + Math.max(token.lifetime - lead, token.refreshIn / 2);
}

/** Returns the boot time at which the token becomes unusable; Infinity if it never does. */
export function expiryOf(token: Token): number {
  return token.assumed ? Number.POSITIVE_INFINITY : token.bornAt + token.lifetime;
}

/** Returns the expiry that clients are told (ms since the epoch), corrected for steps of the wall clock. */
export function expiresAt(token: Token, now: Moment): number | null {
  const expiry = expiryOf(token);
  return expiry === Number.POSITIVE_INFINITY ? null : Math.round(now.wall + expiry - now.boot);
}

/** True if the token has been valid for so long that a rejection is not about a token just obtained. */
export function isLongLived({ bornAt, lifetime }: Token, now: Moment): boolean {
  return now.boot - bornAt >= Math.min(LONG_LIVED_MS, lifetime / 2);
}

/**
 * Decides how a token may be used:
 * - fresh: hand it out;
 * - stale: still valid, but refresh first if possible (too little is left, or its age is uncertain);
 * - expired: never hand it out.
 * `minValidity` is how long the caller needs the token; the default is 30 s or a quarter of the lifetime,
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
  const needed =
    minValidity === undefined
      ? Math.min(DEFAULT_MIN_VALIDITY_MS, token.lifetime / 4)
      : Math.min(minValidity, token.lifetime / 2);
  if (left < needed || token.ageUncertain) return "stale";
  return now.wall >= token.obtainedAt + token.lifetime ? "stale" : "fresh";
}

/**
 * Returns the age of `stamp`. On the same boot it is exact, whatever the wall clock says; after a restart of
 * the machine the wall clock tells it, and it is negative if that puts `stamp` in the future.
 */
export function ageOf(stamp: Stamp, now: Moment, bootId: string): number {
  return isOfThisBoot(stamp, now, bootId) ? now.boot - stamp.boot : now.wall - stamp.wall;
}

function isOfThisBoot(stamp: Stamp, now: Moment, bootId: string): boolean {
  return bootId !== "" && stamp.bootId === bootId && stamp.boot <= now.boot;
}

/** Returns the boot time at which a program last asked for a sealed token; -Infinity: none has on this host. */
export function lastUsedAt(stored: StoredToken, now: Moment, bootId: string): number {
  const { askedAt, askedAtBoot, obtainedAt } = stored;
  if (askedAt === 0 && askedAtBoot === undefined) return Number.NEGATIVE_INFINITY;
  if (askedAtBoot !== undefined && isOfThisBoot(obtainedAt, now, bootId)) {
    return Math.min(askedAtBoot, now.boot);
  }
  return now.boot - Math.max(0, now.wall - askedAt);
}

/** Returns a sealed token with its times on this boot's clock. */
export function restore(stored: StoredToken, now: Moment, bootId: string): Token {
  const { lifetime, assumed, refreshIn, obtainedAt, jitter } = stored;
  const age = ageOf(obtainedAt, now, bootId);
  return {
    lifetime: lifetime ?? Number.POSITIVE_INFINITY,
    ...{ assumed, jitter },
    ...omitUndefined({ refreshIn }),
    bornAt: now.boot - Math.max(0, age),
    obtainedAt: obtainedAt.wall,
    ageUncertain: age < 0 && lifetime !== null,
  };
}
