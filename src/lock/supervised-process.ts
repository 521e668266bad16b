import type { ChildProcess } from "node:child_process";
import { cleanEnvironment, endProgram } from "../base/child.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { errorCode } from "../errors.ts";

const FIRST_RESTART_DELAY_MS = 1_000;
const MAX_RESTART_DELAY_MS = 30_000;
/** One that ran so long (ms) was well: the next pause is a short one again. */
const STABLE_AFTER_MS = 60_000;

export interface SupervisedProcessOptions {
  /** Without a shell. */
  command: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  clock: Clock;
  onLine?: (line: string) => void;
  onStart?: () => void;
  /** It can't be started, or ended by itself: why. */
  onTrouble: (why: string) => void;
}

/** A program that runs as long as it is wanted: started again, after a while, if it ends by itself. */
export class SupervisedProcess {
  readonly #options: SupervisedProcessOptions;
  #child: ChildProcess | undefined;
  #timer: Timer | undefined;
  #pause = FIRST_RESTART_DELAY_MS;
  #wanted = false;

  constructor(options: SupervisedProcessOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#run();
  }

  /** Closes its input, which ends it, or ends it by a signal. */
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
      // It ends with us, however we end: who reads from a pipe hears of that.
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#child = child;
    let complaint = "";
    child.once("spawn", onStart);
    child.stdin.on("error", () => {});
    child.stdout.setEncoding("utf8").on("data", lines(onLine));
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
    const { clock, onTrouble } = this.#options;
    if (clock.monotonic() - began > STABLE_AFTER_MS) this.#pause = FIRST_RESTART_DELAY_MS;
    this.#timer = clock.schedule(this.#pause, () => void this.#run());
    this.#pause = Math.min(MAX_RESTART_DELAY_MS, this.#pause * 2);
    onTrouble(why);
  }
}

/** What a program gets of our environment that speaks with the system bus, and whose words are read. */
export function busEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const { DBUS_SYSTEM_BUS_ADDRESS: bus } = env;
  const address = bus ? { DBUS_SYSTEM_BUS_ADDRESS: bus } : {};
  return { ...cleanEnvironment(env), ...address, LC_ALL: "C" };
}

/** Calls `take` with each whole line of what comes in parts. */
function lines(take: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const all = (rest + text).split("\n");
    rest = (all.pop() ?? "").slice(-10_000);
    for (const line of all) take(line);
  };
}

function missing(program: string, error: Error): string {
  const code = errorCode(error) ?? error.name;
  return code === "ENOENT" ? `${program} is not installed` : `${program}: ${code}`;
}
