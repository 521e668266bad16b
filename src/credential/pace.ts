/** Bounds the token requests that callers cause, whatever they ask for. */

import type { Clock } from "../base/clock.ts";
import { RateLimiter } from "../base/rate-limiter.ts";
import { AuthdError } from "../errors.ts";

const MINUTE = 60_000;
/** Of one credential: so many at once, then one every 5 s. */
const REQUESTS = { count: 60, perMs: 5 * MINUTE };
/** At one issuer's host whose last request failed, all credentials together: then one every 2 s. */
const RETRIES = { count: 30, perMs: MINUTE };

export class Pace {
  readonly #requests: RateLimiter;
  readonly #retries: RateLimiter;

  constructor(clock: Clock) {
    this.#requests = new RateLimiter(clock);
    this.#retries = new RateLimiter(clock);
  }

  /**
   * Counts a request that only a caller wants: a forced refresh, a first token for a scope or an
   * audience. Throws AuthdError `issuer_unavailable` if it is one too many.
   */
  admit(credential: string): void {
    const retryAfterMs = this.#requests.take(credential, REQUESTS);
    if (retryAfterMs === 0) return;
    const message = `${credential}: programs asked for so many new tokens that the next one is obtained in ${Math.ceil(retryAfterMs / 1_000)} s; let them use the token that they were given until it ends`;
    throw new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
  }

  /** True if a caller may bring a retry forward at a failing host. */
  retry(host: string): boolean {
    return this.#retries.take(host, RETRIES) === 0;
  }
}
