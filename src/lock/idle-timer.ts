import type { Timekeeper } from "../base/timekeeper.ts";

/** Measures how long the vault was not used, on boot time: the time that the machine sleeps counts. */
export class IdleTimer {
  readonly #time: Pick<Timekeeper, "now">;
  #timeoutMs: number | undefined;
  /** Timeout of config.toml. */
  #configuredMs: number | undefined;
  #usedAtBootMs: number;

  /** Without a timeout it is never due. */
  constructor(time: Pick<Timekeeper, "now">, timeoutMs: number | undefined) {
    this.#time = time;
    this.#timeoutMs = timeoutMs;
    this.#configuredMs = timeoutMs;
    this.#usedAtBootMs = time.now().boot;
  }

  get timeoutMs(): number | undefined {
    return this.#timeoutMs;
  }

  /** Boot time (ms) at which it is due; undefined without a timeout. */
  get dueAtBootMs(): number | undefined {
    return this.#timeoutMs === undefined ? undefined : this.#usedAtBootMs + this.#timeoutMs;
  }

  get isDue(): boolean {
    return this.#time.now().boot >= (this.dueAtBootMs ?? Number.POSITIVE_INFINITY);
  }

  restart(): void {
    this.#usedAtBootMs = this.#time.now().boot;
  }

  restartWith(timeoutMs: number | undefined): void {
    this.#timeoutMs = timeoutMs;
    this.restart();
  }

  /** Restarts with the timeout of config.toml if that was edited. Returns whether it was. */
  configure(timeoutMs: number | undefined): boolean {
    if (timeoutMs === this.#configuredMs) return false;
    this.#configuredMs = timeoutMs;
    this.restartWith(timeoutMs);
    return true;
  }

  /** Makes it due in `ms`, or after a whole timeout if that is shorter. */
  postpone(ms: number): void {
    const timeoutMs = this.#timeoutMs ?? 0;
    this.#usedAtBootMs = this.#time.now().boot - timeoutMs + Math.min(timeoutMs, ms);
  }
}
