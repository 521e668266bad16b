/** What the back-off's rules allow at most, and demand at least. All durations are milliseconds. */

const SECOND = 1_000;
const LONGEST = 300 * SECOND;
/** A caller without a token brings the next try forward to this long after the last, at the soonest. */
const CALLER_PACE = 5 * SECOND;
/** A token request's own time limit. */
const FLIGHT = 10 * SECOND;
/** No caller without a token waits longer for a request under way. */
export const PATIENCE = 5 * SECOND;

export interface Circumstances {
  /** Callers ask for it all the time. */
  asked: boolean;
  /** What the issuer demands; 0 if nothing. */
  retryAfter: number;
  /** To what share of the back-off callers may bring a try forward; 0 if nothing leaves this machine. */
  share: number;
}

/** Most tries from the first that failed, this one included, until `span` later. */
export function mostTries(span: number, { asked, retryAfter, share }: Circumstances): number {
  let tries = 0;
  for (let at = 0; at <= span; tries++) {
    const wait = Math.max(SECOND, longestPause(tries + 1) / 2);
    const pace = callerPace(tries + 1, share);
    at += Math.max(asked ? Math.min(wait, pace) : wait, retryAfter);
  }
  return tries;
}

/** How long after the last try, of so many in a row, a caller may have the next one. */
function callerPace(failures: number, share: number): number {
  return Math.max(CALLER_PACE, longestPause(failures) * share);
}

/** The longest pause after so many failures in a row. */
export function longestPause(failures: number): number {
  return Math.min(SECOND * 2 ** (failures - 1), LONGEST);
}

/** The longest that the issuer's return may be slept through: one back-off, after the try under way if there is one. */
export function longestReturn(
  { asked, retryAfter, share }: Circumstances,
  { failures, flying }: { failures: number; flying: boolean },
): number {
  const inRow = flying ? failures + 1 : failures;
  const pause = longestPause(inRow);
  const backoff = Math.max(asked ? Math.min(pause, callerPace(inRow, share)) : pause, retryAfter);
  return flying ? FLIGHT + backoff : backoff;
}
