import type { Moment, Timekeeper } from "../../base/timekeeper.ts";

/** How far two clocks may come apart, as a share of the time that passes. */
const DRIFT = 5e-4;

/** How far the store's clock is ahead of this host's boot time (ms), at least and at most. */
interface Offset {
  least: number;
  most: number;
  /** Boot time of the last answer, ms. */
  atBootMs: number;
}

/**
 * Knows the store's clock from its answers, so that hosts whose clocks are minutes apart agree on a token's
 * age. Where it can't be exact it makes tokens older, never younger: by the time that the quickest answer took.
 */
export class StoreClock {
  readonly #time: Timekeeper;
  #offset: Offset | undefined;

  constructor(time: Timekeeper) {
    this.#time = time;
  }

  /** Asks the store, and notes what its answer says of the time. */
  async ask<Answer extends { nowMs: number }>(ask: () => Promise<Answer>): Promise<Answer> {
    const sentBootMs = this.#time.now().boot;
    const answer = await ask();
    const atBootMs = this.#time.now().boot;
    const told = { least: answer.nowMs - atBootMs, most: answer.nowMs - sentBootMs, atBootMs };
    this.#offset = this.#offset ? narrowed(this.#offset, told) : told;
    return answer;
  }

  /** Returns a local boot time on the store's clock (ms); undefined before the first answer. */
  toStore(bootMs: number): number | undefined {
    return this.#offset && bootMs + this.#offset.least;
  }

  /** Returns the local moment of a time on the store's clock (ms). */
  toLocal(storeMs: number): Moment {
    const now = this.#time.now();
    const boot = this.#offset ? Math.min(now.boot, storeMs - this.#offset.most) : now.boot;
    return { boot, wall: now.wall - (now.boot - boot) };
  }
}

/** Returns what both say; if they can't both be right, as a clock was set, what the later one says. */
function narrowed(before: Offset, told: Offset): Offset {
  const drift = (told.atBootMs - before.atBootMs) * DRIFT;
  const least = Math.max(before.least - drift, told.least);
  const most = Math.min(before.most + drift, told.most);
  return least <= most ? { ...told, least, most } : told;
}
