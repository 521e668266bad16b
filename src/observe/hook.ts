import type { ChildProcess } from "node:child_process";
import { cleanEnvironment, type Ended, endProgram, runProgram } from "../base/child.ts";
import type { Log } from "../base/log.ts";
import type { Problem, Reporting, State } from "../protocol.ts";

/** A hook that takes longer (ms) is killed. */
export const HOOK_TIMEOUT = 30_000;
/** Runs at once, of different credentials. */
const AT_ONCE = 4;
/** Runs that wait for their turn; what comes beyond that is not run. */
export const MOST_WAITING = 1_000;

/** What needs a person: a problem, or a question. */
export type Attention = Omit<Problem, "reason"> & { reason: Problem["reason"] | "approval" };

/** Somebody asks for what a person must allow. */
export interface ApprovalHookEvent {
  event: "approval";
  problem: Attention;
  state?: undefined;
}

/** Why the hook runs: a problem is there, or is over. */
export interface HookEvent {
  event: "problem" | "resolved";
  problem: Problem;
  /** Absent where it is not about a credential. */
  state?: State | undefined;
}

export interface HookOptions {
  /** The program's absolute path, and its arguments. */
  command: readonly string[];
  /** The daemon's. */
  env: NodeJS.ProcessEnv;
  log: Log;
  timeoutMs?: number;
}

/** The user's own program, run with the occasion in its environment: one at a time a credential. */
export class Hook {
  readonly #options: HookOptions;
  readonly #waiting: (HookEvent | ApprovalHookEvent)[] = [];
  /** By credential; "" is the daemon itself. */
  readonly #running = new Map<string, ChildProcess | undefined>();
  #runs = 0;
  #failures = 0;
  #error: string | undefined;
  #closed = false;

  constructor(options: HookOptions) {
    this.#options = options;
  }

  get command(): readonly string[] {
    return this.#options.command;
  }

  get report(): NonNullable<Reporting["hook"]> {
    const error = this.#error === undefined ? {} : { error: this.#error };
    const to = this.#options.command[0] ?? "";
    return { to, runs: this.#runs, failures: this.#failures, ...error };
  }

  run(occasion: HookEvent | ApprovalHookEvent): void {
    if (this.#closed) return;
    if (this.#waiting.length >= MOST_WAITING) {
      this.#failed(occasion, `is not run: ${MOST_WAITING} runs wait already`);
      return;
    }
    this.#waiting.push(occasion);
    this.#next();
  }

  /** What runs is ended; returns what waited. */
  close(): (HookEvent | ApprovalHookEvent)[] {
    this.#closed = true;
    for (const child of this.#running.values()) end(child);
    return this.#waiting.splice(0);
  }

  #next(): void {
    while (this.#running.size < AT_ONCE) {
      const index = this.#waiting.findIndex((one) => !this.#running.has(hookKey(one)));
      const [occasion] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (!occasion) return;
      void this.#start(occasion);
    }
  }

  async #start(occasion: HookEvent | ApprovalHookEvent): Promise<void> {
    const { command, env, timeoutMs = HOOK_TIMEOUT } = this.#options;
    const key = hookKey(occasion);
    this.#running.set(key, undefined);
    this.#runs++;
    const ended = await runProgram({
      command,
      env: { ...cleanEnvironment(env), ...hookEnvironment(occasion) },
      timeoutMs,
      onStart: (child) => {
        this.#running.set(key, child);
        if (this.#closed) end(child);
      },
    });
    this.#running.delete(key);
    if (ended.how === "exit" && ended.code === 0) this.#error = undefined;
    else if (!this.#closed) this.#failed(occasion, wordsOf(ended, timeoutMs));
    this.#next();
  }

  /** Of its output nothing is known: it could hold anything. */
  #failed({ problem, event }: HookEvent | ApprovalHookEvent, what: string): void {
    const { command, log } = this.#options;
    this.#failures++;
    this.#error = what;
    const about = problem.credential === undefined ? {} : { credential: problem.credential };
    log.warn({ ...about, event, reason: problem.reason }, `the hook ${command[0]} ${what}`);
  }
}

/** The daemon's own end does not wait for it. */
function end(child: ChildProcess | undefined): void {
  if (!child) return;
  endProgram(child, "SIGTERM");
  child.unref();
}

function hookKey({ problem }: HookEvent | ApprovalHookEvent): string {
  return problem.credential ?? "";
}

/** docs/protocol.md, "Hook". */
function hookEnvironment({
  event,
  problem,
  state,
}: HookEvent | ApprovalHookEvent): Record<string, string> {
  const { credential, reason, message, help } = problem;
  return {
    AUTHD_EVENT: event,
    AUTHD_REASON: reason,
    // NUL ends a variable.
    AUTHD_MESSAGE: message.replaceAll("\0", " "),
    AUTHD_HELP: help,
    ...(credential === undefined ? {} : { AUTHD_CREDENTIAL: credential }),
    ...(state === undefined ? {} : { AUTHD_STATE: state }),
  };
}

function wordsOf(ended: Ended, timeoutMs: number): string {
  switch (ended.how) {
    case "exit":
      return `ended with exit code ${ended.code}`;
    case "signal":
      return `was ended by ${ended.signal}`;
    case "timeout":
      return `was killed after ${timeoutMs / 1_000} s`;
    case "missing":
      return `can't be run (${ended.why})`;
  }
}
