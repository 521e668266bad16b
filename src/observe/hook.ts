import type { ChildProcess } from "node:child_process";
import { cleanEnvironment, type Ended, endProgram, runProgram } from "../base/child.ts";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Problem, Reporting, State } from "../protocol.ts";

/** Time after which a hook is killed. */
const HOOK_TIMEOUT_MS = 30_000;
/** Limit of simultaneous runs; those of one credential are never simultaneous. */
const MAX_RUNNING = 4;
/** Limit of runs that wait; an event beyond it is not run. */
export const MAX_WAITING = 1_000;

/** A problem, or a question, that needs a person. */
export type Attention = Omit<Problem, "reason"> & { reason: Problem["reason"] | "approval" };

/** A question waits for a person. */
export interface ApprovalHookEvent {
  event: "approval";
  problem: Attention;
  state?: undefined;
}

/** A problem began, or was resolved. */
export interface HookEvent {
  event: "problem" | "resolved";
  problem: Problem;
  /** Absent if the problem is not about a credential. */
  state?: State | undefined;
}

export interface HookOptions {
  /** The program's absolute path, and its arguments. */
  command: readonly string[];
  /** Environment of the daemon. */
  env: NodeJS.ProcessEnv;
  log: Log;
  timeoutMs?: number;
  /** Told how each run ended; undefined: well. */
  onEnd?: (error: string | undefined) => void;
}

/** Runs the user's program with the event in its environment: one at a time for each credential. */
export class Hook {
  readonly #options: HookOptions;
  readonly #waiting: (HookEvent | ApprovalHookEvent)[] = [];
  /** Programs that run, by credential; "" is the daemon itself. */
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
    const to = this.#options.command[0] ?? "";
    const counts = { runs: this.#runs, failures: this.#failures };
    return { to, ...counts, ...omitUndefined({ error: this.#error }) };
  }

  run(event: HookEvent | ApprovalHookEvent): void {
    if (this.#closed) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#failed(event, `is not run: ${MAX_WAITING} runs wait already`);
      return;
    }
    this.#waiting.push(event);
    this.#next();
  }

  /** Ends the programs that run. Returns the events that waited. */
  close(): (HookEvent | ApprovalHookEvent)[] {
    this.#closed = true;
    for (const child of this.#running.values()) end(child);
    return this.#waiting.splice(0);
  }

  #next(): void {
    while (this.#running.size < MAX_RUNNING) {
      const index = this.#waiting.findIndex((one) => !this.#running.has(hookKey(one)));
      const [event] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (!event) return;
      void this.#start(event);
    }
  }

  async #start(event: HookEvent | ApprovalHookEvent): Promise<void> {
    const { command, env, timeoutMs = HOOK_TIMEOUT_MS } = this.#options;
    const key = hookKey(event);
    this.#running.set(key, undefined);
    this.#runs++;
    const ended = await runProgram({
      command,
      env: { ...cleanEnvironment(env), ...hookEnvironment(event) },
      timeoutMs,
      onStart: (child) => {
        this.#running.set(key, child);
        if (this.#closed) end(child);
      },
    });
    this.#running.delete(key);
    const isWell = ended.how === "exit" && ended.code === 0;
    if (this.#closed) return;
    if (isWell) {
      this.#error = undefined;
      this.#options.onEnd?.(undefined);
    } else this.#failed(event, describeEnd(ended, timeoutMs));
    this.#next();
  }

  /** Logs a failure, without the program's output: that could hold a secret. */
  #failed({ problem, event }: HookEvent | ApprovalHookEvent, what: string): void {
    const { command, log, onEnd } = this.#options;
    this.#failures++;
    this.#error = what;
    onEnd?.(what);
    const about = omitUndefined({ credential: problem.credential });
    log.warn({ ...about, event, reason: problem.reason }, `the hook ${command[0]} ${what}`);
  }
}

/** Ends a program. The daemon's end does not wait for it. */
function end(child: ChildProcess | undefined): void {
  if (!child) return;
  endProgram(child, "SIGTERM");
  child.unref();
}

function hookKey({ problem }: HookEvent | ApprovalHookEvent): string {
  return problem.credential ?? "";
}

/** Variables of the hook: see docs/configuration.md, "Hook". */
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
    ...omitUndefined({ AUTHD_CREDENTIAL: credential, AUTHD_STATE: state }),
  };
}

function describeEnd(ended: Ended, timeoutMs: number): string {
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
