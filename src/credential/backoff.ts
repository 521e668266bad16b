/** When to try again after a failure. All durations are milliseconds. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const ordinary = { first: SECOND, most: 5 * MINUTE };
/** After a firewall's 403: it may count every try. */
const blocked = { first: 5 * MINUTE, most: HOUR };

export interface Backoff {
  /** Failures in a row, this one included: 1 or more. */
  failures: number;
  blocked?: boolean;
  /** What the issuer asked for (`Retry-After`); honoured up to an hour. */
  retryAfter?: number;
  /** Uniform in [0, 1). */
  random: number;
}

/** Doubles with each failure; jitter between half and full, never under a second. */
export function backoff({ failures, blocked: isBlocked, retryAfter = 0, random }: Backoff): number {
  const { first, most } = isBlocked ? blocked : ordinary;
  const full = Math.min(first * 2 ** Math.min(failures - 1, 30), most);
  const least = isBlocked ? first : SECOND;
  return Math.max(full * (0.5 + random / 2), least, Math.min(retryAfter, HOUR));
}
