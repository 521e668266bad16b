import type { Timer } from "../base/clock.ts";
import type { Credential } from "./credential.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { DeadlineQueue } from "./deadline-queue.ts";

/** Longest sleep of the timer, which survives 32-bit overflow, suspend and clock steps. */
const MAX_SLEEP_MS = 30_000;
/**
 * Every credential is looked at so often, whatever is due: a wall clock that is slewed moves deadlines, and
 * last-use times are sealed now and then.
 */
const SWEEP_INTERVAL_MS = 5 * 60_000;
/** After a clock jump, refreshes that can wait are spread over this time. */
const SPREAD_MS = 5_000;

/** The daemon's one timer: does what is due for each credential. */
export class RefreshTimer {
  /**
   * For each credential, the boot time before which `runDue` has nothing to do. It may be too early, never
   * too late.
   */
  readonly #deadlines = new DeadlineQueue();
  readonly #deps: Pick<CredentialDeps, "clock" | "time" | "onEvent">;
  readonly #credentials: ReadonlyMap<string, Credential>;
  readonly #onTick: (nowBootMs: number) => void;
  #timer: Timer | undefined;
  /** Boot time (ms) for which the timer is set. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #jumpsSeen: number;
  /** Boot time (ms) at which every credential was last looked at. */
  #sweptAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  /** `onTick` is called with every tick, at least every 30 s. */
  constructor(
    deps: Pick<CredentialDeps, "clock" | "time" | "onEvent">,
    credentials: ReadonlyMap<string, Credential>,
    onTick: (nowBootMs: number) => void,
  ) {
    this.#deps = deps;
    this.#credentials = credentials;
    this.#onTick = onTick;
    this.#jumpsSeen = deps.time.jumps;
  }

  add(name: string): void {
    this.#deadlines.set(name, Number.POSITIVE_INFINITY);
  }

  delete(name: string): void {
    this.#deadlines.delete(name);
  }

  /**
   * Does all that is due and sleeps until the next deadline. Looks at every credential now and then, and
   * after a clock jump; otherwise only at those whose deadline has come: of 10,000 that are in use, one is
   * due every few milliseconds.
   */
  tick(): void {
    if (this.#isClosed) return;
    const { time, clock } = this.#deps;
    time.now();
    const now = time.sample();
    const hasJumped = time.jumps !== this.#jumpsSeen;
    this.#jumpsSeen = time.jumps;
    if (hasJumped) this.#reportJump(time.jumpedBy);
    const isSweep = hasJumped || now.boot - this.#sweptAt >= SWEEP_INTERVAL_MS;
    if (isSweep) this.#sweptAt = now.boot;
    const delay = hasJumped ? () => clock.random() * SPREAD_MS : () => 0;
    const names = isSweep ? this.#credentials.keys() : this.#deadlines.takeDue(now.boot);
    for (const name of names) {
      const credential = this.#credentials.get(name);
      if (!credential) continue;
      if (hasJumped) credential.clockJumped();
      credential.runDue(now, delay);
      this.#deadlines.set(name, credential.nextDeadline(now));
    }
    this.#setTimer(this.#deadlines.next);
    this.#onTick(now.boot);
  }

  /** Treats sleep and a clock that was set alike: they can't be told apart here. */
  #reportJump(ms: number): void {
    const seconds = Math.round(Math.abs(ms) / 1_000);
    const message =
      ms >= 0
        ? `the machine slept, or its clock was set ahead: ${seconds} s`
        : `the clock was set back: ${seconds} s`;
    this.#deps.onEvent({ kind: "clock_jumped", message });
  }

  /** Wakes the timer at this boot time (ms) at the latest, once: it must be called again with each tick. */
  wakeBy(bootMs: number): void {
    if (bootMs < this.#wakeAt) this.#setTimer(bootMs);
  }

  /** Handles deadlines that moved earlier. One that moved later is corrected when the old deadline fires. */
  reschedule(name: string, deadline: number): void {
    const known = this.#deadlines.get(name);
    if (known !== undefined && deadline < known) this.#deadlines.set(name, deadline);
    this.wakeBy(deadline);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #setTimer(deadline: number): void {
    if (this.#isClosed) return;
    const now = this.#deps.time.now().boot;
    const sleep = Math.min(Math.max(deadline - now, 0), MAX_SLEEP_MS);
    this.#timer?.cancel();
    this.#wakeAt = now + sleep;
    this.#timer = this.#deps.clock.schedule(sleep, () => this.tick());
  }
}
