import type { Clock } from "./clock.ts";

/** `count` uses in each `perMs`. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** Token buckets, one a key: `count` uses at once, then one each `perMs / count`. */
export class RateLimiter {
  readonly #clock: Clock;
  /** Monotonic time (ms) at which a bucket is full again, by key. */
  readonly #fullAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one use and returns 0; or, if that is one too many, returns the ms until it is not. */
  take(key: string, { count, perMs }: Rate): number {
    const now = this.#clock.monotonic();
    const each = perMs / count;
    const fullAtMs = Math.max(this.#fullAtMs.get(key) ?? now, now) + each;
    const waitMs = fullAtMs - now - perMs;
    if (waitMs > 1e-6) return Math.ceil(waitMs);
    this.#fullAtMs.set(key, fullAtMs);
    return 0;
  }
}
