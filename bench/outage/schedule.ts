/** What the back-off's rules allow at most, and demand at least. All durations are milliseconds. */

const SECOND = 1_000;
const LONGEST = 300 * SECOND;
/** A caller without a token brings the next try forward to this long after the last. */
const CALLER_PACE = 5 * SECOND;
/** A token request's own time limit. */
export const FLIGHT = 10 * SECOND;
/** No caller without a token waits longer for a request under way. */
export const PATIENCE = 5 * SECOND;

export interface Circumstances {
  /** Callers ask for it all the time. */
  asked: boolean;
  /** What the issuer demands; 0 if nothing. */
  retryAfter: number;
}

/** Most tries from the first that failed, this one included, until `span` later. */
export function mostTries(span: number, { asked, retryAfter }: Circumstances): number {
  let tries = 0;
  for (let at = 0; at <= span; tries++) {
    const wait = Math.max(SECOND, longestPause(tries + 1) / 2);
    at += Math.max(asked ? Math.min(wait, CALLER_PACE) : wait, retryAfter);
  }
  return tries;
}

/** The longest pause after so many failures in a row. */
export function longestPause(failures: number): number {
  return Math.min(SECOND * 2 ** (failures - 1), LONGEST);
}

/** The longest that the issuer's return may be slept through: one back-off, after the try under way if there is one. */
export function longestReturn(
  { asked, retryAfter }: Circumstances,
  { failures, flying }: { failures: number; flying: boolean },
): number {
  const pause = longestPause(flying ? failures + 1 : failures);
  const backoff = Math.max(asked ? Math.min(pause, CALLER_PACE) : pause, retryAfter);
  return flying ? FLIGHT + backoff : backoff;
}
