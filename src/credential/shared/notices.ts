import type { Clock } from "../../base/clock.ts";
import { StoreDown } from "./store-connection.ts";

/** Those who wait until something is heard of a record. */
export class Notices {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<() => void>>();
  #isHalted = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when something is heard of a record, `ms` later at the latest. Rejects with StoreDown at the end. */
  async of(name: string, ms: number): Promise<void> {
    if (this.#isHalted) throw new StoreDown("authd is ending, or the vault is being locked");
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, waiting);
      const timer = this.#clock.schedule(Math.max(1, ms), () => done());
      const done = () => {
        timer.cancel();
        waiting.delete(done);
        resolve();
      };
      waiting.add(done);
    });
  }

  wake(name: string): void {
    for (const done of [...(this.#waiting.get(name) ?? [])]) done();
  }

  resume(): void {
    this.#isHalted = false;
  }

  /** Nobody waits any more, until `resume`. */
  halt(): void {
    this.#isHalted = true;
    for (const name of this.#waiting.keys()) this.wake(name);
  }
}
