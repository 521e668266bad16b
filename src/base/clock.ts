/** A pending call that can be cancelled. */
export interface Timer {
  cancel(): void;
}

/** The source of time. All values are milliseconds. */
export interface Clock {
  /** Wall clock, since the epoch. May jump either way. */
  wall(): number;
  /** Monotonic clock: never steps back; stands still while the machine sleeps (on Linux). */
  monotonic(): number;
  /** Boot time: since the machine started, sleep included. It is a system call: sample it, don't poll it. */
  boot(): number;
  /** Identifies this boot of the machine; empty where the system does not say. */
  readonly bootId: string;
  /** Calls `run` once after `ms` (at most 30 000) on the monotonic clock. */
  schedule(ms: number, run: () => void): Timer;
  /** Returns a number in [0, 1), uniformly distributed: the source of jitter. */
  random(): number;
}

/** The longest (ms) that `schedule` takes at once. */
const LONGEST_STEP = 30_000;

/** Calls `run` once after any number of `ms`, in steps that `schedule` takes. */
export function scheduleLong(clock: Pick<Clock, "schedule">, ms: number, run: () => void): Timer {
  const step = Math.min(ms, LONGEST_STEP);
  const next = () => {
    if (ms > step) timer = scheduleLong(clock, ms - step, run);
    else run();
  };
  let timer = clock.schedule(step, next);
  return { cancel: () => timer.cancel() };
}
