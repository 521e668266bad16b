import { isOwnPeer, type Peer } from "./peer.ts";

/** Speed at which a budget fills, and the part of it that may be used at once; in units (see `cost`). */
interface Rate {
  readonly unitsPerMs: number;
  readonly burst: number;
  readonly cost: (ms: number) => number;
  /** Counts also while nobody else asks for anything. */
  readonly isAlways: boolean;
}

/**
 * While a client keeps the daemon's only thread busy for `ms` without a break, everybody else waits;
 * the sum of their waits grows with the square. Any number of blocks of 0.3 ms is free, a hundred
 * new connections a second are. Blocks of 4 ms and more take far less than a hundredth of the time, so that
 * 99 of 100 answers to others do not wait for one, nor for the garbage that it leaves: 6 MB of JSON take
 * 6 ms, and cost a pause of 2 s.
 */
const USUAL: Rate = {
  unitsPerMs: 0.1,
  burst: 200,
  cost: (ms) => ms * Math.min(ms * ms, 80),
  isAlways: false,
};
/** Rate of guests who may use nothing: at most a hundredth of the thread. */
const REFUSED: Rate = { unitsPerMs: 0.01, burst: 5, cost: (ms) => ms, isAlways: true };

/** Cost of work that is done once a connection. */
const UNITS_PER_ONCE_MS = 0.2;
/** Cost of an invalid message beside its time: the budget returns that of 5,000 a second. */
const UNITS_PER_INVALID = 0.02;
/**
 * Cost of a long answer that is kept in memory, beside its time: the system copies it, and who reads it takes time of the
 * machine's processors. The budget returns that of two lists of 10,000 credentials a second.
 */
const UNITS_PER_KEPT_BYTE = 20 / 1_000_000;
/** The longest pause, ms: also a program that has just cost much is answered again. */
const LONGEST_PAUSE_MS = 3_000;
/** A client that asked for something within this time, ms, is one that could have to wait. */
const ACTIVE_MS = 10_000;
/** Blocks of less than this, ms, are taken as measured; longer ones may hold time that other processes had. */
const CHECKED_MS = 0.2;
/** The longest (ms) that the answer to a known request takes itself: what is more is garbage of others. */
const KNOWN_MS = 0.1;
/** The CPU time is read at most once in so long (ms): it takes a system call. */
const CPU_SAMPLE_MS = 1;
/** Budgets of clients that are gone are dropped when there are more than this. */
const MAX_BUDGETS = 1_024;

/** Time sources, in milliseconds. */
export interface CpuTimes {
  monotonic(): number;
  /** CPU time that this process has used. */
  cpu(): number;
}

const SYSTEM: CpuTimes = {
  monotonic: () => performance.now(),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

/** The budgets of all clients. */
export class CpuBudgets {
  readonly #times: CpuTimes;
  readonly #byPeer = new Map<string, CpuBudget>();
  /** The two clients that asked last. */
  #last: CpuBudget | undefined;
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #beforeLastAtMs = Number.NEGATIVE_INFINITY;
  /** Time (ms) of the work that was measured last. */
  lastMs = 0;
  isMeasuring = false;
  /** Part (ms) of the work being measured that `onceAConnection` took. */
  #onceMs = 0;
  /** Time (ms) beyond which the work being measured is not to blame; 0: nothing is known of it. */
  #mostMs = 0;
  #cpuMs = 0;
  #cpuAtMs = Number.NEGATIVE_INFINITY;

  constructor(times: CpuTimes = SYSTEM) {
    this.#times = times;
  }

  /**
   * Returns the budget of all connections of one process of the daemon's own user, or of another
   * user; of a connection alone where the system does not tell. `isRefused`: of another user's
   * connections that may use nothing.
   */
  of(peer: Peer | undefined, isRefused = false): CpuBudget {
    if (!peer) return new CpuBudget(this, USUAL);
    const key = isOwnPeer(peer) ? `process ${peer.pid}` : `user ${peer.uid} ${isRefused}`;
    const known = this.#byPeer.get(key);
    if (known) return known;
    if (this.#byPeer.size >= MAX_BUDGETS) this.#dropFull();
    const budget = new CpuBudget(this, isRefused ? REFUSED : USUAL);
    this.#byPeer.set(key, budget);
    return budget;
  }

  /** Runs `work` at the cost of `budget`; inside of other measured work it is part of that. */
  measure<Result>(budget: CpuBudget, work: () => Result): Result {
    if (this.isMeasuring) return work();
    this.isMeasuring = true;
    this.#onceMs = 0;
    this.#mostMs = 0;
    const startedAtMs = this.#times.monotonic();
    if (startedAtMs - this.#cpuAtMs > CPU_SAMPLE_MS) this.#sampleCpu(startedAtMs);
    try {
      return work();
    } finally {
      this.isMeasuring = false;
      const endedAtMs = this.#times.monotonic();
      let ms = endedAtMs - startedAtMs;
      this.lastMs = ms;
      if (ms >= CHECKED_MS) ms = Math.min(ms, this.#sampleCpu(endedAtMs));
      ms = Math.max(0, ms - this.#onceMs);
      if (this.#mostMs > 0) ms = Math.min(ms, this.#mostMs);
      budget.spend(ms, endedAtMs, this.#onceMs);
      this.#noteActive(budget, endedAtMs);
    }
  }

  /**
   * Runs `work` that authd does once for each connection, such as finding out who asks. It costs less
   * than other work: programs may open a hundred connections a second.
   */
  onceAConnection<Result>(work: () => Result): Result {
    const startedAtMs = this.#times.monotonic();
    try {
      return work();
    } finally {
      this.#onceMs += this.#times.monotonic() - startedAtMs;
    }
  }

  /**
   * Says that part of the work being measured answers a known request from memory (`isKnown`), or that
   * it does anything else. Work that only answers known ones costs no more than that takes: a garbage
   * collection that falls into it is not its doing.
   */
  note(isKnown: boolean): void {
    this.#mostMs += isKnown ? KNOWN_MS : Number.POSITIVE_INFINITY;
  }

  now(): number {
    return this.#times.monotonic();
  }

  /** True if another client than this one has asked for something lately. */
  isContended(budget: CpuBudget, nowMs: number): boolean {
    const othersAtMs = this.#last === budget ? this.#beforeLastAtMs : this.#lastAtMs;
    return nowMs - othersAtMs < ACTIVE_MS;
  }

  #noteActive(budget: CpuBudget, nowMs: number): void {
    if (this.#last !== budget) {
      this.#last = budget;
      this.#beforeLastAtMs = this.#lastAtMs;
    }
    this.#lastAtMs = nowMs;
  }

  /** Returns the CPU time since the last sample, ms. */
  #sampleCpu(nowMs: number): number {
    const before = this.#cpuMs;
    this.#cpuMs = this.#times.cpu();
    this.#cpuAtMs = nowMs;
    return this.#cpuMs - before;
  }

  #dropFull(): void {
    const nowMs = this.now();
    for (const [key, budget] of this.#byPeer) {
      if (budget.newcomers === 0 && budget.isFull(nowMs)) this.#byPeer.delete(key);
    }
  }
}

/** CPU time that one client may still use of the daemon's thread. */
export class CpuBudget {
  readonly #all: CpuBudgets;
  readonly #rate: Rate;
  /** Connections that wait until there is something left. */
  newcomers = 0;
  /** Units that were used and have not come back. */
  #used = 0;
  #usedAtMs = 0;

  constructor(all: CpuBudgets, rate: Rate) {
    this.#all = all;
    this.#rate = rate;
  }

  /** Runs `work` at the cost of this budget. */
  measure<Result>(work: () => Result): Result {
    return this.#all.measure(this, work);
  }

  /** See `CpuBudgets.note`. */
  note(isKnown: boolean): void {
    this.#all.note(isKnown);
  }

  /** True inside of measured work, which this would be part of. */
  get isMeasuring(): boolean {
    return this.#all.isMeasuring;
  }

  /** Milliseconds that what was measured last took. */
  get lastMs(): number {
    return this.#all.lastMs;
  }

  /** Milliseconds for which nothing of this client should be worked on; 0: it may go on. */
  get pauseMs(): number {
    const { burst, unitsPerMs, isAlways } = this.#rate;
    if (this.#used <= burst) return 0;
    const nowMs = this.#all.now();
    this.#comeBack(nowMs);
    if (this.#used <= burst || !(isAlways || this.#all.isContended(this, nowMs))) return 0;
    return (this.#used - burst) / unitsPerMs;
  }

  /** `onceMs`: work of `onceAConnection`. */
  spend(ms: number, nowMs: number, onceMs = 0): void {
    this.#comeBack(nowMs);
    this.#use(this.#rate.cost(ms) + onceMs * UNITS_PER_ONCE_MS);
  }

  /** Charges messages that could not be read: a program that works sends hardly any. */
  spendOnInvalid(messages: number): void {
    this.#use(messages * UNITS_PER_INVALID);
  }

  /** Charges a long answer from memory. */
  spendOnKept(bytes: number): void {
    this.#use(bytes * UNITS_PER_KEPT_BYTE);
  }

  #use(units: number): void {
    const { burst, unitsPerMs } = this.#rate;
    this.#used = Math.min(this.#used + units, burst + LONGEST_PAUSE_MS * unitsPerMs);
  }

  isFull(nowMs: number): boolean {
    this.#comeBack(nowMs);
    return this.#used === 0;
  }

  #comeBack(nowMs: number): void {
    this.#used = Math.max(0, this.#used - (nowMs - this.#usedAtMs) * this.#rate.unitsPerMs);
    this.#usedAtMs = nowMs;
  }
}
