/** Tokens that an API rejects long before the end that the issuer, or the credential file, told. */
import type { Moment } from "../base/timekeeper.ts";
import type { LifetimeFault } from "../grants/grant.ts";
import type { Token } from "./token.ts";

/** Rejections in a row before that is more than a coincidence. */
const EARLY_REJECTIONS = 2;

export interface EarlyRejections {
  count: number;
  /** The age (ms) at which the youngest of them was rejected. */
  youngestMs: number;
  /** The lifetime (ms) that the last of them should have had. */
  lifetime: number;
  /** Identifies the last of them: many requests may have been rejected with it. */
  lastBornAt: number;
}

/**
 * Counts a token that an API rejected in the first half of its life; returns `before` for any other. To be
 * called once the next token was accepted for the same request: otherwise the rejection was not about time.
 */
export function countEarly(
  before: EarlyRejections | undefined,
  { lifetime, assumed, bornAt }: Token,
  now: Moment,
): EarlyRejections | undefined {
  const ageMs = now.boot - bornAt;
  if (assumed || !Number.isFinite(lifetime) || ageMs > lifetime / 2) return before;
  if (before?.lastBornAt === bornAt) return before;
  const { count = 0, youngestMs = ageMs } = before ?? {};
  const all = { count: count + 1, youngestMs: Math.min(ageMs, youngestMs) };
  return { ...all, lifetime, lastBornAt: bornAt };
}

/** Returns what is wrong with a lifetime before which APIs reject tokens; undefined: nothing is known. */
export function earlyFault(rejections: EarlyRejections | undefined): LifetimeFault | undefined {
  if (!rejections || rejections.count < EARLY_REJECTIONS) return undefined;
  const { count, youngestMs, lifetime } = rejections;
  const [after, told] = [youngestMs, lifetime].map((ms) => Math.max(1, Math.floor(ms / 1_000)));
  return {
    message: `an API rejected ${count} tokens in a row long before their end: after ${after} s, of ${told} s that they should live (unless another program that signs in as the same user ends them)`,
    set: `lifetime.seconds=${after}`,
  };
}
