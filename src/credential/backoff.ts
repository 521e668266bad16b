/** When to try again after a failure. All durations are milliseconds. */

import type { AuthdError } from "../errors.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Callers bring a try forward to this long after the last one, at the soonest. */
const CALLER_PACE = 5 * SECOND;

/** The first wait, and the longest. */
const RANGES = {
  ordinary: { first: SECOND, most: 5 * MINUTE },
  /** Three in a row are final: a server that is being restarted gets the time to recover first. */
  refusal: { first: 15 * SECOND, most: 5 * MINUTE },
  /** An answer that only a person can change, most likely: a wrong address. */
  lasting: { first: SECOND, most: HOUR },
  /** A firewall's 403: it may count every try. */
  blocked: { first: 5 * MINUTE, most: HOUR },
} satisfies Record<string, { first: number; most: number }>;

export type BackoffKind = keyof typeof RANGES;

export interface Backoff {
  /** Failures in a row, this one included: 1 or more. */
  failures: number;
  kind?: BackoffKind;
  /** What the issuer asked for (`Retry-After`); honoured up to an hour. */
  retryAfter?: number;
  /** Uniform in [0, 1). */
  random: number;
}

/** Doubles with each failure; jitter between half and full, never under a second. */
export function backoff({ failures, kind = "ordinary", retryAfter = 0, random }: Backoff): number {
  const least = kind === "blocked" ? RANGES.blocked.first : SECOND;
  const delay = fullDelay(kind, failures) * (0.5 + random / 2);
  return Math.max(delay, least, Math.min(retryAfter, HOUR));
}

export function backoffKind({ contact }: AuthdError): BackoffKind {
  if (contact?.blocked) return "blocked";
  if (contact?.refusal !== undefined) return "refusal";
  return contact?.lasting ? "lasting" : "ordinary";
}

/**
 * How long after the last try a waiting caller may bring the next one forward to. It grows with the
 * back-off, or a program that keeps asking would cause a sign-in every 5 s: to a half of it if the
 * issuer answered, to an eighth if it most likely never looked at what was sent. A request that never
 * left this machine is no sign-in.
 */
export function callerPace(failure: AuthdError, failures: number): number {
  const { contact } = failure;
  if (contact?.sent === false) return CALLER_PACE;
  const isUnanswered = contact?.answered === false && !contact.lasting;
  const isUnseen = contact?.busy === true || isUnanswered;
  const share = isUnseen ? 1 / 8 : 1 / 2;
  return Math.max(CALLER_PACE, fullDelay(backoffKind(failure), failures) * share);
}

function fullDelay(kind: BackoffKind, failures: number): number {
  const { first, most } = RANGES[kind];
  return Math.min(first * 2 ** Math.min(failures - 1, 30), most);
}
