/** Time that passes for all hosts of a fleet alike, once what is under way has come to rest. */
import { Turns } from "../../src/base/turns.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { demand } from "./property.ts";

const SECOND = 1_000;
/** Nothing is under way if nothing happened for so many turns of the event loop. */
const QUIET_TURNS = 6;
/** Longer (ms) than anybody waits: for a lease, an intent, or hosts that put back what a store has lost. */
export const LONGEST_WAIT_MS = 700 * SECOND;

export class FleetTime {
  readonly clock = new FakeClock();
  readonly #disks = new Turns();
  #onDisk = 0;

  /** Does something on a disk: all of it one after the other, so that its order is the same each time. */
  async onDisk<T>(work: () => Promise<T>): Promise<T> {
    this.#onDisk++;
    try {
      return await this.#disks.run(work);
    } finally {
      this.#onDisk--;
    }
  }

  async settle(): Promise<void> {
    for (let turns = 0; turns < QUIET_TURNS; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#onDisk > 0) turns = 0;
    }
  }

  /** In steps that are seconds at first: whoever waits for less is heard in time. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; ) {
      const step = Math.min(ms - passed, Math.max(SECOND, passed / 4));
      this.clock.advance(step);
      passed += step;
      await this.settle();
    }
  }

  /** Resolves with the promise, for which time passes. Rejects if it hangs; `what` says what it is. */
  async finish(promise: Promise<void>, what: string): Promise<void> {
    let isOver = false;
    const over = promise.finally(() => {
      isOver = true;
    });
    for (let waited = 0; !isOver; waited += SECOND) {
      demand(waited < LONGEST_WAIT_MS, `${what} hangs`);
      await this.settle();
      if (!isOver) this.clock.advance(SECOND);
    }
    await over;
  }
}
