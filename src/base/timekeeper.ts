import type { Clock } from "./clock.ts";

/** One instant, in milliseconds: `wall` since the epoch, `boot` since the machine started. */
export interface Moment {
  wall: number;
  boot: number;
}

/** Wall and monotonic clock may drift this far apart (ms) before the boot clock is asked again. */
const CLOCK_STEP_MS = 2_000;
/** Some systems tell the boot time in whole seconds: differences below this (ms) are no news. */
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

  /** `onJump` is called before anybody is told the time after a jump. */
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

  /** How far (ms) the wall clock went ahead of the monotonic one in the last of them. */
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

  /** Asks the boot clock. It never goes back. */
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
