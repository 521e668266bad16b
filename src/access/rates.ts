import type { Clock } from "../base/clock.ts";
import type { Rate } from "./policy.ts";

/** How often each key was used lately. A bucket that fills evenly: `count` uses at once, then one each `perMs / count`. */
export class Rates {
  readonly #clock: Clock;
  /** By key, the monotonic time at which its bucket is full again. */
  readonly #fullAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one use, and returns 0; or, if that is one too many, the ms until it would not be. */
  take(key: string, { count, perMs }: Rate): number {
    const now = this.#clock.monotonic();
    const each = perMs / count;
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now) + each;
    const wait = fullAt - now - perMs;
    if (wait > 1e-6) return Math.ceil(wait);
    this.#fullAt.set(key, fullAt);
    return 0;
  }
}
