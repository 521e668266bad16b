import type { ChildProcess } from "node:child_process";
import { cleanEnvironment, endProgram } from "../base/child.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { errorCode } from "../errors.ts";

const FIRST_RESTART_DELAY_MS = 1_000;
const MAX_RESTART_DELAY_MS = 30_000;
/** Run time after which a process counts as stable: the next restart comes soon again. */
const STABLE_AFTER_MS = 60_000;

export interface SupervisedProcessOptions {
  /** Program and arguments; no shell is involved. */
  command: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  clock: Clock;
  onLine?: (line: string) => void;
  onStart?: () => void;
  /** Called with the reason if the program can't be started, or ended by itself. */
  onFailure: (why: string) => void;
}

/** Runs a program until `stop`. Starts it again, after a delay, if it ends by itself. */
export class SupervisedProcess {
  readonly #options: SupervisedProcessOptions;
  #child: ChildProcess | undefined;
  #timer: Timer | undefined;
  #restartDelayMs = FIRST_RESTART_DELAY_MS;
  #wanted = false;

  constructor(options: SupervisedProcessOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#run();
  }

  /** Ends the program: by the end of its input, or by a signal too. */
  stop(how: "input" | "signal"): void {
    this.#wanted = false;
    this.#timer?.cancel();
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    child.stdin?.end();
    if (how === "signal") endProgram(child, "SIGTERM");
  }

  async #run(): Promise<void> {
    const { command, env, clock, onLine = () => {}, onStart = () => {} } = this.#options;
    const { spawn } = await import("node:child_process");
    if (!this.#wanted || this.#child) return;
    const [program, ...args] = command;
    const began = clock.monotonic();
    const child = spawn(program, args, {
      env: busEnvironment(env),
      // The program ends when authd does, however that ends: its input is closed then.
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#child = child;
    let complaint = "";
    child.once("spawn", onStart);
    child.stdin.on("error", () => {});
    child.stdout.setEncoding("utf8").on("data", splitLines(onLine));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(0, 300);
    });
    child.once("error", (error) => this.#ended(child, began, missing(program, error)));
    child.once("close", () =>
      this.#ended(child, began, complaint.trim().split("\n")[0] || `${program} ended`),
    );
  }

  #ended(child: ChildProcess, began: number, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const { clock, onFailure } = this.#options;
    if (clock.monotonic() - began > STABLE_AFTER_MS) this.#restartDelayMs = FIRST_RESTART_DELAY_MS;
    this.#timer = clock.schedule(this.#restartDelayMs, () => void this.#run());
    this.#restartDelayMs = Math.min(MAX_RESTART_DELAY_MS, this.#restartDelayMs * 2);
    onFailure(why);
  }
}

/** Returns the environment of a program that uses the system bus, and whose output is parsed. */
export function busEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const { DBUS_SYSTEM_BUS_ADDRESS: bus } = env;
  const address = bus ? { DBUS_SYSTEM_BUS_ADDRESS: bus } : {};
  return { ...cleanEnvironment(env), ...address, LC_ALL: "C" };
}

/** Returns a receiver of text in parts that calls `onLine` with each whole line. */
function splitLines(onLine: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const all = (rest + text).split("\n");
    rest = (all.pop() ?? "").slice(-10_000);
    for (const line of all) onLine(line);
  };
}

function missing(program: string, error: Error): string {
  const code = errorCode(error) ?? error.name;
  return code === "ENOENT" ? `${program} is not installed` : `${program}: ${code}`;
}
