/** A pending call that can be taken back. */
export interface Timer {
  cancel(): void;
}

/** Everything that authd knows of time. All values are milliseconds. */
export interface Clock {
  /** Wall clock, since the epoch. May jump either way. */
  wall(): number;
  /** Never steps back; stands still while the machine sleeps (on Linux). */
  monotonic(): number;
  /** Since the machine started, sleep included. A system call: sample it, don't poll it. */
  boot(): number;
  /** Identifies this boot of the machine; empty where the system does not say. */
  readonly bootId: string;
  /** Calls `run` once after `ms` (at most 30 000) on the monotonic clock. */
  schedule(ms: number, run: () => void): Timer;
  /** Uniform in [0, 1): the source of jitter. */
  random(): number;
}

/** The longest (ms) that `schedule` takes at once. */
const LONGEST_STEP = 30_000;

/** Calls `run` once after `ms`, however many, in steps that `schedule` takes. */
export function scheduleLong(clock: Pick<Clock, "schedule">, ms: number, run: () => void): Timer {
  const step = Math.min(ms, LONGEST_STEP);
  const next = () => {
    if (ms > step) timer = scheduleLong(clock, ms - step, run);
    else run();
  };
  let timer = clock.schedule(step, next);
  return { cancel: () => timer.cancel() };
}
