import { type Clock, scheduleLong, type Timer } from "../base/clock.ts";

/** Calls `run` when the wall clock reaches the earliest of the times that were noted. */
export class WakeAt {
  readonly #clock: Clock;
  readonly #run: () => void;
  /** Wall time, ms. */
  #atMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Notes a wall time (ms); Infinity: none. */
  note(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.#atMs = atMs;
    this.#timer?.cancel();
    const leftMs = Math.max(0, atMs - this.#clock.wall());
    this.#timer = scheduleLong(this.#clock, leftMs, () => this.look());
  }

  /** Looks at the wall clock, which runs on while the machine sleeps and the timer does not. */
  look(): void {
    const atMs = this.#atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.cancel();
    if (this.#clock.wall() >= atMs) this.#run();
    else this.note(atMs);
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
