import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import type { ExecutionContext } from "ava";

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
  t: ExecutionContext,
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
  const says = async (text: string) => {
    while (!output.stdout.includes(text)) {
      const end = await Promise.race([ended, once(child.stdout!, "data").then(() => undefined)]);
      if (end && !output.stdout.includes(text))
        throw new Error(`ended with ${end.code ?? end.signal} before "${text}": ${end.stderr}`);
    }
    return output.stdout;
  };
  return { child, says, ended };
}

/** Runs a program to its end. */
export function run(
  t: ExecutionContext,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<Ended> {
  return start(t, command, args, options).ended;
}
