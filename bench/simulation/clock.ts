import type { Clock, Timer } from "../../src/base/clock.ts";
import { MinHeap } from "../../src/credential/deadline-queue.ts";

interface Pending {
  at: number;
  run: (() => void) | undefined;
  /** Set by the daemon, not by the world. */
  isTimer: boolean;
}

/** When a simulation begins. */
export const EPOCH = Date.parse("2030-01-01T00:00:00Z");

/** Sleeps that are remembered: more than there are in some minutes of waking time. */
const REMEMBERED = 20;

/**
 * The world's true time, and a machine whose clocks see it as real ones do: its wall clock can be
 * set, its timers stand still while it sleeps. All values are milliseconds.
 */
export class SimulatedClock implements Clock {
  /** True time since the beginning: what the issuers live by. */
  truth = 0;
  /** By how much the machine's wall clock is ahead of the truth. */
  wallAhead = 0;
  bootId = "boot-1";
  /** Calls of `schedule` that have neither rung nor been taken back. */
  pending = 0;
  /** Timers that rang. */
  rings = 0;
  #slept = 0;
  /** The last of them, the newest first. */
  #sleeps: { from: number; until: number }[] = [];
  #boots = 1;
  #bootedAt = -50_000_000;
  readonly #events = new MinHeap<Pending>();
  #timers = new MinHeap<Pending>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  wall = () => Math.floor(EPOCH + this.truth + this.wallAhead);
  monotonic = () => this.truth - this.#slept - this.#bootedAt;
  /** In hundredths of a second, as Linux tells it. */
  boot = () => Math.floor((this.truth - this.#bootedAt) / 10) * 10;
  random = () => this.#random();

  /** As Node does it: whole milliseconds, at least one, and a little late. */
  schedule(ms: number, run: () => void): Timer {
    const lateness = this.#random();
    const at = this.truth - this.#slept + Math.max(1, Math.trunc(ms)) + lateness;
    const timer: Pending = { at, run, isTimer: true };
    this.#timers.push(timer);
    this.pending++;
    return {
      cancel: () => {
        if (timer.run) this.pending--;
        timer.run = undefined;
      },
    };
  }

  /** Something in the world happens at this true time, or as soon as the machine is awake again. */
  at(truth: number, run: () => void): void {
    this.#events.push({ at: truth, run, isTimer: false });
  }

  /** Something happens to the process after so much waking time, ms: no more if it is gone by then. */
  afterAwake(ms: number, run: () => void): void {
    this.#timers.push({ at: this.truth - this.#slept + ms, run, isTimer: false });
  }

  /** Goes to what comes next, and lets it happen; false if that is after `end`. */
  next(end: number): boolean {
    while (this.#timers.first && !this.#timers.first.run) this.#timers.pop();
    const timer = this.#timers.first;
    const event = this.#events.first;
    const timerAt = timer ? timer.at + this.#slept : Number.POSITIVE_INFINITY;
    const eventAt = event ? event.at : Number.POSITIVE_INFINITY;
    const at = Math.max(this.truth, Math.min(timerAt, eventAt));
    if (at > end) return false;
    this.truth = at;
    if (eventAt <= timerAt) {
      this.#events.pop();
      event?.run?.();
    } else if (timer) {
      this.#timers.pop();
      const { run } = timer;
      timer.run = undefined;
      if (timer.isTimer) {
        this.pending--;
        this.rings++;
      }
      run?.();
    }
    return true;
  }

  suspend(ms: number): void {
    const sleep = { from: this.truth, until: this.truth + ms };
    this.#sleeps = [sleep, ...this.#sleeps.slice(0, REMEMBERED)];
    this.truth += ms;
    this.#slept += ms;
  }

  /** When the machine had so much waking time left (ms) until now: it may sleep again as soon as it is awake. */
  awakeBefore(ms: number): number {
    let at = this.truth;
    let left = ms;
    for (const { from, until } of this.#sleeps) {
      if (at - left >= until) break;
      left -= at - until;
      at = from;
    }
    return at - left;
  }

  stepWall(ms: number): void {
    this.wallAhead += ms;
  }

  /** The process that had set timers is gone. */
  forgetTimers(): void {
    this.#timers = new MinHeap();
    this.pending = 0;
  }

  /** The machine starts anew, as of now. */
  reboot(): void {
    this.forgetTimers();
    this.bootId = `boot-${++this.#boots}`;
    this.#slept = 0;
    this.#bootedAt = this.truth - 20_000;
  }
}
