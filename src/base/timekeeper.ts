import type { Clock } from "./clock.ts";

/** An instant, in milliseconds: `wall` since the epoch, `boot` since the machine started. */
export interface Moment {
  wall: number;
  boot: number;
}

/** The drift (ms) between wall and monotonic clock from which on the boot clock is sampled again. */
const CLOCK_STEP_MS = 2_000;
/** Differences below this (ms) are ignored: some systems tell the boot time in whole seconds. */
const BOOT_CLOCK_RESOLUTION_MS = 1_500;

/**
 * Keeps boot time without a system call a reading: the boot clock is sampled now and then, and in
 * between the monotonic clock carries it on. It is sampled again at once when wall and monotonic
 * clock part, because that is what a suspend and a clock step look like.
 */
export class Timekeeper {
  readonly #clock: Clock;
  readonly #onJump: () => void;
  #wall: number;
  #monotonic: number;
  #boot: number;
  #jumps = 0;
  #jumpedBy = 0;

  /** `onJump` is called before the time after a jump is returned to anybody. */
  constructor(clock: Clock, onJump: () => void = () => {}) {
    this.#clock = clock;
    this.#onJump = onJump;
    this.#wall = clock.wall();
    this.#monotonic = clock.monotonic();
    this.#boot = clock.boot();
  }

  get bootId(): string {
    return this.#clock.bootId;
  }

  /** Grows by one whenever the wall clock was seen to be stepped, or the machine to have slept. */
  get jumps(): number {
    return this.#jumps;
  }

  /** The step (ms) of the wall clock against the monotonic one in the last jump. */
  get jumpedBy(): number {
    return this.#jumpedBy;
  }

  now(): Moment {
    const wall = this.#clock.wall();
    const elapsed = this.#clock.monotonic() - this.#monotonic;
    if (Math.abs(wall - this.#wall - elapsed) > CLOCK_STEP_MS) {
      this.#jumpedBy = wall - this.#wall - elapsed;
      this.#jumped();
      return this.#ask().moment;
    }
    return { wall, boot: this.#boot + elapsed };
  }

  /** Samples the boot clock, which never goes back. */
  sample(): Moment {
    const { moment, slept } = this.#ask();
    if (slept) this.#jumped();
    return moment;
  }

  #jumped(): void {
    this.#jumps++;
    this.#onJump();
  }

  #ask(): { moment: Moment; slept: boolean } {
    const wall = this.#clock.wall();
    const monotonic = this.#clock.monotonic();
    const carried = this.#boot + monotonic - this.#monotonic;
    const told = this.#clock.boot();
    const slept = told - carried > BOOT_CLOCK_RESOLUTION_MS;
    if (slept) this.#jumpedBy = told - carried;
    this.#boot = slept ? told : carried;
    this.#wall = wall;
    this.#monotonic = monotonic;
    return { moment: { wall, boot: this.#boot }, slept };
  }
}
