import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import type { Scope } from "./scope.ts";
import { until } from "./until.ts";

/** How long (ms) a program may take to say something on a loaded machine. */
const SAYS_LIMIT_MS = 120_000;

/** What a program that has ended said. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A program that runs until it ends, or until the test does. */
export interface Running {
  child: ChildProcess;
  /** Resolves when standard output contains `text`; rejects with all output if the program ends first. */
  says(text: string): Promise<string>;
  ended: Promise<Ended>;
}

/** Starts a program with its output collected; what is still running at the test's end is killed. */
export function start(
  t: Scope,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Running {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...output }));
  ended.catch(() => {});
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended.catch(() => {});
  });
  let end: Ended | undefined;
  ended.then(
    (how) => {
      end = how;
    },
    () => {},
  );
  const says = async (text: string) => {
    const isSaid = () => output.stdout.includes(text);
    await until(() => isSaid() || end !== undefined, {
      ...{ message: `"${text}" from ${command}`, limitMs: SAYS_LIMIT_MS },
    });
    if (end && !isSaid())
      throw new Error(`ended with ${end.code ?? end.signal} before "${text}": ${end.stderr}`);
    return output.stdout;
  };
  return { child, says, ended };
}

/** Runs a program to its end. */
export function run(
  t: Scope,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<Ended> {
  return start(t, command, args, options).ended;
}
