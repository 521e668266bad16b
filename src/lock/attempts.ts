import type { Clock } from "../clock.ts";
import { AuthdError } from "../errors.ts";

/** So many slips of the finger are free; after that each costs (ms) twice as much as the one before. */
const FREE = 2;
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 300_000;
/** A failure is forgotten after this (ms). */
const FORGOTTEN = 3_600_000;
/** Who tried; more than so many are not kept. */
const MOST = 1_000;

interface Failures {
  count: number;
  /** Monotonic clock: nothing is tried before this. */
  until: number;
}

interface Waiting {
  who: string;
  begin: () => void;
}

/**
 * Tries of a passphrase: one at a time, as each takes a whole core and 128 MiB. Wrong ones are slowed
 * for whoever makes them, and go behind the tries of others.
 */
export class Attempts {
  readonly #clock: Clock;
  readonly #failures = new Map<string, Failures>();
  readonly #waiting: Waiting[] = [];
  /** Who tries, or waits for it. */
  readonly #active = new Set<string>();
  #busy = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * What `work` gives; if it rejects, that counts against `who`. Rejects with AuthdError `too_busy`
   * while `who` has to wait, or tries already.
   */
  async run<T>(who: string, work: () => Promise<T>): Promise<T> {
    const wait = (this.#failures.get(who)?.until ?? 0) - this.#clock.monotonic();
    if (wait > 0) throw tooSoon(wait);
    if (this.#active.has(who)) throw tooSoon(FIRST_DELAY);
    this.#active.add(who);
    try {
      await this.#turn(who);
      const result = await work();
      this.#failures.delete(who);
      return result;
    } catch (error) {
      this.#failed(who);
      throw error;
    } finally {
      this.#active.delete(who);
      this.#next();
    }
  }

  async #turn(who: string): Promise<void> {
    if (this.#busy) await new Promise<void>((begin) => this.#waiting.push({ who, begin }));
    this.#busy = true;
  }

  /** The one with the fewest failures, and of these who came first. */
  #next(): void {
    const count = ({ who }: Waiting) => this.#failures.get(who)?.count ?? 0;
    const [first] = [...this.#waiting].sort((a, b) => count(a) - count(b));
    if (!first) {
      this.#busy = false;
      return;
    }
    this.#waiting.splice(this.#waiting.indexOf(first), 1);
    first.begin();
  }

  #failed(who: string): void {
    const now = this.#clock.monotonic();
    const count = (this.#failures.get(who)?.count ?? 0) + 1;
    const delay = count < FREE ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (count - FREE));
    this.#failures.delete(who);
    this.#failures.set(who, { count, until: now + delay });
    for (const [each, { until }] of this.#failures) {
      if (until + FORGOTTEN < now || this.#failures.size > MOST) this.#failures.delete(each);
    }
  }
}

function tooSoon(ms: number): AuthdError {
  const seconds = Math.ceil(ms / 1_000);
  return new AuthdError(
    "too_busy",
    `Passphrases from here were wrong, or one is just being tried: try again in ${seconds} s.`,
    { retryAfterMs: Math.ceil(ms) },
  );
}
