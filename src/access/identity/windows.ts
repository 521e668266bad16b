/** Reads a process of Windows. */
import { realpathSync } from "node:fs";
import { basename, resolve } from "node:path";
import { isInterpreter } from "../../base/interpreter.ts";
import { readProcess } from "../../base/windows/process.ts";
import type { ProcessEntry } from "./identity.ts";
import { scriptIn } from "./script.ts";

export function readWindowsProcess(pid: number): ProcessEntry | undefined {
  try {
    const { parent, startedAt, executable: opened, started } = readProcess(pid);
    const executable = wholePath(opened);
    const script =
      started && isInterpreter(executable)
        ? scriptIn(executable, wordsOf(started.commandLine))
        : undefined;
    return {
      ...{ pid, parent, startedAt, executable },
      // All are our own user's: others are refused when they connect.
      uid: undefined,
      name: basename(executable),
      script: script === undefined ? undefined : resolve(started?.folder ?? "", script),
      terminal: undefined,
      gap: undefined,
    };
  } catch {
    // It has ended, or is another user's.
    return undefined;
  }
}

/** Returns the path with its long names and in the case of the disk: a process may be started by another spelling. */
function wholePath(executable: string): string {
  try {
    return realpathSync.native(executable);
  } catch {
    return executable;
  }
}

/** A quote with the backslashes before it, other backslashes, what parts words, and all else. */
const PARTS = /(\\*)"|\\+|[ \t]+|[^ \t"\\]+/g;

/**
 * Splits a command line into words as programs of Windows do it (CommandLineToArgvW): backslashes before a quote stand for
 * half as many, and behind an odd number of them the quote stands for itself.
 */
export function wordsOf(commandLine: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (const [part, slashes] of commandLine.matchAll(PARTS)) {
    if (slashes === undefined && !isQuoted && /^[ \t]/.test(part)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    if (slashes !== undefined && slashes.length % 2 === 0) isQuoted = !isQuoted;
    word = (word ?? "") + (slashes === undefined ? part : withoutMark(slashes));
  }
  return word === undefined ? words : [...words, word];
}

/** Returns what backslashes and a quote behind them stand for. */
function withoutMark(slashes: string): string {
  return slashes.slice(0, slashes.length / 2) + (slashes.length % 2 === 1 ? '"' : "");
}
