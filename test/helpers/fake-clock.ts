import type { Clock, Timer } from "../../src/base/clock.ts";

interface Pending {
  at: number;
  run: () => void;
}

/** A clock that moves when it is told to; timers ring in order as it does. */
export class FakeClock implements Clock {
  bootId = "boot-1";
  /** What `random` answers. */
  chance = 0;
  /** How fast the wall clock runs: NTP slews it. */
  rate = 1;
  #wall = Date.parse("2030-01-01T00:00:00Z");
  #monotonic = 1_000;
  #boot = 50_000_000;
  readonly #timers = new Set<Pending>();

  wall = () => this.#wall;
  monotonic = () => this.#monotonic;
  boot = () => this.#boot;
  random = () => this.chance;

  get pending(): number {
    return this.#timers.size;
  }

  /** True if a timer rings in exactly so many ms. */
  isDueIn(ms: number): boolean {
    return [...this.#timers].some(({ at }) => at === this.#monotonic + ms);
  }

  schedule(ms: number, run: () => void): Timer {
    const timer = { at: this.#monotonic + ms, run };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Time passes. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#move(Math.max(0, next.at - this.#monotonic));
      this.#timers.delete(next);
      next.run();
    }
    this.#move(end - this.#monotonic);
  }

  /** The machine sleeps: on Linux the monotonic clock and the timers stand still. */
  suspend(ms: number): void {
    this.#wall += ms;
    this.#boot += ms;
  }

  /** Somebody sets the wall clock. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  /** The machine starts anew, this long after. */
  reboot(ms: number): void {
    this.bootId = `${this.bootId}+`;
    this.#wall += ms;
    this.#boot = 20_000;
    this.#monotonic = 500;
    this.#timers.clear();
  }

  #move(ms: number): void {
    this.#wall += ms * this.rate;
    this.#monotonic += ms;
    this.#boot += ms;
  }
}
