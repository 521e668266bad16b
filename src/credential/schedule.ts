/** When a token is refreshed, and when a failed request is tried again. Boot times and durations in ms. */

import type { Moment } from "../base/timekeeper.ts";
import type { AuthdError } from "../errors.ts";
import type { Rotation } from "./record.ts";
import { sessionLeft } from "./refresh-token-life.ts";
import { expiryOf, freshness, refreshAt, refreshLeadMs, type Token } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** A token is refreshed ahead of time while a program asked for it within this time. */
export const KEEP_WARM_MS = 12 * HOUR;
const MAX_RETRY_AFTER_MS = HOUR;
/** Least time between two requests of one credential that callers cause. */
const MIN_CALLER_RETRY_MS = 5 * SECOND;

// ---- refreshing ahead of time ----

/** Returns when the next refresh of `slot` starts by itself; Infinity: not at all. `always`: `warm = "always"`. */
export function deadlineOf(slot: TokenSlot, always: boolean, now: Moment): number {
  if (slot.rejectedWith || slot.pendingRefresh) return Number.POSITIVE_INFINITY;
  // Refreshed at its next use only: two slots would otherwise go on revoking each other's tokens.
  if (slot.superseded) return Number.POSITIVE_INFINITY;
  if (!always && now.boot - slot.lastUsedAt >= KEEP_WARM_MS) return Number.POSITIVE_INFINITY;
  const { issued, failures, retryAt, spreadUntil } = slot;
  if (!issued && !always && failures === 0) return Number.POSITIVE_INFINITY;
  const atOnce = !issued || failures > 0 || freshness(issued.token, now, 0) === "stale";
  return Math.max(atOnce ? now.boot : refreshAt(issued.token), retryAt, spreadUntil);
}

/** Returns when a refresh token that expires must be used, whether or not anybody asks for an access token. */
export function refreshTokenDeadline(
  rotation: Rotation | undefined,
  now: Moment,
  bootId: string,
): number {
  const left = rotation && sessionLeft(rotation, now, bootId);
  if (left === undefined || rotation?.lifetime === undefined) return Number.POSITIVE_INFINITY;
  return now.boot + left - refreshLeadMs(rotation.lifetime, 0);
}

/** True for a refresh after which the next one would be due at once: it counts as a failure, or it would loop. */
export function didNotExtendExpiry(before: Token | undefined, after: Token, now: Moment): boolean {
  if (refreshAt(after) <= now.boot) return true;
  return (
    before !== undefined &&
    Number.isFinite(expiryOf(before)) &&
    expiryOf(after) <= expiryOf(before) &&
    // Two tokens of the same second may have the same `exp`.
    after.bornAt - before.bornAt > 2 * SECOND
  );
}

// ---- retrying ----

/** The first delay of each kind of failure, and the longest. */
const DELAYS = {
  ordinary: { first: SECOND, most: 5 * MINUTE },
  /** Three in a row are final, so a server that is restarting gets the time to recover first. */
  refusal: { first: 15 * SECOND, most: 5 * MINUTE },
  /** A response that only a person can change, most likely: a wrong address. */
  lasting: { first: SECOND, most: HOUR },
  /** A firewall's 403: it may count every request. */
  blocked: { first: 5 * MINUTE, most: HOUR },
} satisfies Record<string, { first: number; most: number }>;

type BackoffKind = keyof typeof DELAYS;

export interface Backoff {
  /** Failures in a row, this one included: 1 or more. */
  failures: number;
  kind?: BackoffKind;
  /** The `Retry-After` of the issuer (ms); honoured up to an hour. */
  retryAfter?: number;
  /** Uniform in [0, 1). */
  random: number;
}

/** Returns the delay before the next try: doubles with each failure; jitter between half and full, never under 1 s. */
export function backoff({ failures, kind = "ordinary", retryAfter = 0, random }: Backoff): number {
  const least = kind === "blocked" ? DELAYS.blocked.first : SECOND;
  const delay = fullDelay(kind, failures) * (0.5 + random / 2);
  return Math.max(delay, least, Math.min(retryAfter, MAX_RETRY_AFTER_MS));
}

function backoffKind({ contact }: AuthdError): BackoffKind {
  if (contact?.blocked) return "blocked";
  if (contact?.refusal !== undefined) return "refusal";
  return contact?.lasting ? "lasting" : "ordinary";
}

function fullDelay(kind: BackoffKind, failures: number): number {
  const { first, most } = DELAYS[kind];
  return Math.min(first * 2 ** Math.min(failures - 1, 30), most);
}

/**
 * Returns how long after the last request a waiting caller may cause the next. It grows with the back-off,
 * or a program that keeps asking would cause a sign-in every 5 s: to half of it if the issuer answered, to
 * an eighth if it most likely never looked at the request. A request that never left this machine is no
 * sign-in.
 */
function callerRetryDelayMs(failure: AuthdError, failures: number): number {
  const { contact } = failure;
  if (contact?.sent === false) return MIN_CALLER_RETRY_MS;
  const isUnanswered = contact?.answered === false && !contact.lasting;
  const isUnseen = contact?.busy === true || isUnanswered;
  const share = isUnseen ? 1 / 8 : 1 / 2;
  return Math.max(MIN_CALLER_RETRY_MS, fullDelay(backoffKind(failure), failures) * share);
}

/** Counts a failure of `slot`, and sets when the next request is due. */
export function recordFailure(
  slot: TokenSlot,
  failure: AuthdError,
  now: Moment,
  random: number,
): void {
  slot.failures++;
  slot.error = failure;
  const retryAfter = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  const kind = backoffKind(failure);
  const delay = backoff({ failures: slot.failures, kind, retryAfter, random });
  slot.callerRetryDelayMs = callerRetryDelayMs(failure, slot.failures);
  slot.retryAt = now.boot + delay;
  slot.notBefore = now.boot + (kind === "blocked" ? delay : retryAfter);
}

/**
 * Returns when a waiting caller may have the next request: sooner than the back-off says, but never before
 * the issuer's own `Retry-After`.
 */
export function callerRetryAt(slot: TokenSlot, now: Moment): number {
  const earliest = Math.max(slot.lastAttemptAt + slot.callerRetryDelayMs, slot.notBefore, now.boot);
  return Math.min(slot.retryAt, earliest);
}
