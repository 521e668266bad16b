import type { Moment, Timekeeper } from "../../base/timekeeper.ts";

/**
 * Knows the store's clock from its answers, so that hosts whose clocks are minutes apart agree on a token's
 * age. Where it can't be exact it makes tokens older, never younger, by the time that an answer takes.
 */
export class StoreClock {
  readonly #time: Timekeeper;
  #sample: { storeMs: number; sentBootMs: number; receivedBootMs: number } | undefined;

  constructor(time: Timekeeper) {
    this.#time = time;
  }

  /** Asks the store, and notes what its answer says of the time. */
  async ask<Answer extends { nowMs: number }>(ask: () => Promise<Answer>): Promise<Answer> {
    const sentBootMs = this.#time.now().boot;
    const answer = await ask();
    this.#sample = {
      storeMs: answer.nowMs,
      sentBootMs,
      receivedBootMs: this.#time.now().boot,
    };
    return answer;
  }

  /** Returns a local boot time on the store's clock (ms); undefined before the first answer. */
  toStore(bootMs: number): number | undefined {
    if (!this.#sample) return undefined;
    return bootMs - this.#sample.receivedBootMs + this.#sample.storeMs;
  }

  /** Returns the local moment of a time on the store's clock (ms). */
  toLocal(storeMs: number): Moment {
    const now = this.#time.now();
    const { sentBootMs, storeMs: sampledMs } = this.#sample ?? {
      sentBootMs: now.boot,
      storeMs,
    };
    const boot = Math.min(now.boot, sentBootMs + storeMs - sampledMs);
    return { boot, wall: now.wall - (now.boot - boot) };
  }
}
