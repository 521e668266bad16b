/** When a variant is to be renewed, and how a failure puts that off. Boot times and durations in ms. */

import type { Moment } from "../base/timekeeper.ts";
import type { AuthdError } from "../errors.ts";
import { backoff, backoffKind, callerPace } from "./backoff.ts";
import type { Rotation } from "./record.ts";
import { sessionLeft } from "./rotation.ts";
import { expiryOf, freshness, refreshAt, refreshLeadMs, type Token } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
/** A token is kept warm while a program asked for it within this time. */
export const KEEP_WARM_MS = 12 * HOUR;
const MAX_RETRY_AFTER_MS = HOUR;

/** When the variant's next flight should start by itself; Infinity: not at all. */
export function deadlineOf(slot: TokenSlot, always: boolean, now: Moment): number {
  if (slot.rejectedWith || slot.pendingRefresh) return Number.POSITIVE_INFINITY;
  // Obtained anew at its next use only: two variants would go on revoking each other's tokens.
  if (slot.superseded) return Number.POSITIVE_INFINITY;
  if (!always && now.boot - slot.lastUsedAt >= KEEP_WARM_MS) return Number.POSITIVE_INFINITY;
  const { issued, failures, retryAt, spreadUntil } = slot;
  if (!issued && !always && failures === 0) return Number.POSITIVE_INFINITY;
  const atOnce = !issued || failures > 0 || freshness(issued.token, now, 0) === "stale";
  return Math.max(atOnce ? now.boot : refreshAt(issued.token), retryAt, spreadUntil);
}

/** A refresh token that runs out is renewed in time, asked for or not. */
export function refreshTokenDeadline(
  rotation: Rotation | undefined,
  now: Moment,
  bootId: string,
): number {
  const left = rotation && sessionLeft(rotation, now, bootId);
  if (left === undefined || rotation?.lifetime === undefined) return Number.POSITIVE_INFINITY;
  return now.boot + left - refreshLeadMs(rotation.lifetime, 0);
}

/** Counts a failure, and decides when the next try is due. */
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
  slot.callerPace = callerPace(failure, slot.failures);
  slot.retryAt = now.boot + delay;
  slot.notBefore = now.boot + (kind === "blocked" ? delay : retryAfter);
}

/**
 * When a waiting caller may have the next try: sooner than the back-off says, but never before the
 * issuer's own `Retry-After`.
 */
export function broughtForward(slot: TokenSlot, now: Moment): number {
  const earliest = Math.max(slot.lastAttemptAt + slot.callerPace, slot.notBefore, now.boot);
  return Math.min(slot.retryAt, earliest);
}

/** A renewal after which the next one would be due at once: it counts as a failure, or it would loop. */
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
