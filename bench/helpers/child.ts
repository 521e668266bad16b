/** Other processes: programs of this folder, and real daemons. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Bench } from "./bench.ts";

/** The checkout: benches run from dist/bench. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const MAIN = fileURLToPath(new URL("../../src/main.js", import.meta.url));

/** Nothing of whoever runs the benches: NODE_EXTRA_CA_CERTS alone doubles the time of a start. */
export const ENV: NodeJS.ProcessEnv = { PATH: process.env.PATH };

export interface Running {
  pid: number;
  /** Milliseconds from its start until it said that it is ready. */
  readyMs: number;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

/** A program of this folder that runs. */
export interface Program {
  pid: number;
  /** Milliseconds from its start until its first message. */
  readyMs: number;
  stop(): Promise<void>;
  /** The first message that it sent. */
  message: string;
}

/** Starts another file of this folder; resolves with its first message. */
export async function startProgram(bench: Bench, file: string, ...args: string[]): Promise<string> {
  return (await startProgramProcess(bench, file, ...args)).message;
}

export async function startProgramProcess(
  bench: Bench,
  file: string,
  ...args: string[]
): Promise<Program> {
  const startedAt = performance.now();
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { env: ENV });
  const stop = () => end(child);
  bench.defer(stop);
  const [message] = await Promise.race([once(child, "message"), failed(child, file)]);
  const readyMs = performance.now() - startedAt;
  return { pid: child.pid!, message: String(message), readyMs, stop };
}

/**
 * `authd serve`, as a person or a service manager starts it; `through` is a program, and its
 * arguments, that starts it in its own place.
 */
export async function startDaemon(
  bench: Bench,
  home: { env: NodeJS.ProcessEnv },
  main = MAIN,
  through: readonly string[] = [],
): Promise<Running> {
  const startedAt = performance.now();
  const [command = "", ...args] = [...through, process.execPath, main, "serve"];
  const child = spawn(command, args, {
    env: home.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = () => end(child);
  bench.defer(stop);
  await Promise.race([once(child.stdout, "data"), failed(child, "authd serve")]);
  return { pid: child.pid!, readyMs: performance.now() - startedAt, stop };
}

/** A Node process that only waits. */
export async function startBareNode(bench: Bench): Promise<Running> {
  const startedAt = performance.now();
  const script = "setInterval(() => {}, 2 ** 30); process.stdout.write('.')";
  const child = spawn(process.execPath, ["-e", script], {
    env: ENV,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = () => end(child);
  bench.defer(stop);
  await once(child.stdout, "data");
  return { pid: child.pid!, readyMs: performance.now() - startedAt, stop };
}

/** Starts a program that listens on `socket`, and waits until it does. Undefined if there is no such program. */
export async function startListening(
  bench: Bench,
  socket: string,
  program: string,
  args: readonly string[],
): Promise<Running | undefined> {
  const startedAt = performance.now();
  const child = spawn(program, args, { env: ENV, stdio: "ignore" });
  const isThere = await new Promise<boolean>((resolve) => {
    child.once("spawn", () => resolve(true)).once("error", () => resolve(false));
  });
  if (!isThere) return undefined;
  const stop = () => end(child);
  bench.defer(stop);
  while (!existsSync(socket)) await Promise.race([sleep(10), failed(child, program)]);
  return { pid: child.pid!, readyMs: performance.now() - startedAt, stop };
}

/** Runs a program to its end; resolves with the milliseconds that it took. */
export async function timeToEnd(args: readonly string[], env = ENV): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended with ${code}`);
  return performance.now() - startedAt;
}

/** Runs a program to its end; resolves with what it printed. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  env = ENV,
): Promise<string> {
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  return printed;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

async function failed(child: ChildProcess, what: string): Promise<never> {
  const [code] = await once(child, "exit");
  throw new Error(`${what} ended with ${code} before it was ready`);
}
