/** Runs the child of `authd exec`: signals are passed on to it, and its exit code back. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { AuthdError, errorCode, messageOf } from "../../errors.ts";
import { plain } from "../style.ts";

/** Exit codes of env(1), nohup(1) and shells. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNALLED = 128;

/** Signals that a terminal sends to every process of its foreground group. */
const OF_TERMINALS = ["SIGINT", "SIGQUIT", "SIGHUP"] as const;
const OF_OTHERS = ["SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM"] as const;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such program",
  EACCES: "it may not be executed",
  E2BIG: "its arguments and variables are too long",
};

/** What a child is given besides the standard streams. */
interface Given {
  env: NodeJS.ProcessEnv;
  /** For each of the child's descriptors, ours. */
  descriptors: ReadonlyMap<number, number>;
}

/**
 * Runs a program with our standard streams and what `prepare` returns. From before `prepare` on signals are for the
 * child, so that none ends this process before its caller has cleared up. Returns the program's exit code: 128 and
 * the signal's number if a signal ended it, 127 if there is no such program, 126 if it can't be run.
 */
export async function runChild(
  [program = "", ...args]: readonly string[],
  prepare: () => Given,
): Promise<number> {
  let child: ChildProcess | undefined;
  const stop = catchSignals((signal) => void (child?.pid !== undefined && child.kill(signal)));
  try {
    const { env, descriptors } = prepare();
    child = spawn(program, args, { env, stdio: stdioOf(descriptors), windowsHide: true });
    return await endOf(child);
  } catch (error) {
    if (error instanceof AuthdError) throw error;
    return refused(program, error);
  } finally {
    stop();
  }
}

function stdioOf(descriptors: ReadonlyMap<number, number>): StdioOptions {
  const stdio: StdioOptions = ["inherit", "inherit", "inherit"];
  for (let number = 3; number <= Math.max(0, ...descriptors.keys()); number++)
    stdio.push(descriptors.get(number) ?? "ignore");
  return stdio;
}

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      resolve(signal ? SIGNALLED + constants.signals[signal] : (code ?? 0)),
    );
  });
}

function refused(program: string, error: unknown): number {
  const code = errorCode(error);
  const why = REASONS[code ?? ""] ?? code ?? messageOf(error);
  process.stderr.write(`authd: ${plain(program)} can't be run: ${why}\n`);
  return code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
}

/** Hands signals to `pass`, and keeps them from ending this process. Returns a function that undoes that. */
function catchSignals(pass: (signal: NodeJS.Signals) => void): () => void {
  const passUnlessTerminal = (signal: NodeJS.Signals) => {
    if (!isInForeground()) pass(signal);
  };
  for (const signal of OF_TERMINALS) process.on(signal, passUnlessTerminal);
  for (const signal of OF_OTHERS) process.on(signal, pass);
  return () => {
    for (const signal of OF_TERMINALS) process.off(signal, passUnlessTerminal);
    for (const signal of OF_OTHERS) process.off(signal, pass);
  };
}

/** True if this process belongs to its terminal's foreground group, so that the child gets Ctrl-C as well. */
function isInForeground(): boolean {
  if (process.platform !== "linux") return process.stdin.isTTY === true;
  // proc(5): the fields behind the name are state, ppid, pgrp, session, tty_nr, tpgid.
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[2] === fields[5];
}
