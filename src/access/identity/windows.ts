/** Reads a process of Windows. */
import { basename, resolve } from "node:path";
import { readProcess } from "../../base/windows/process.ts";
import type { ProcessEntry } from "./identity.ts";
import { scriptIn } from "./script.ts";

export function readWindowsProcess(pid: number): ProcessEntry | undefined {
  try {
    const { parent, startedAt, executable, started } = readProcess(pid);
    const script = started && scriptIn(executable, wordsOf(started.commandLine));
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

/** Backslashes that are not before a quote, and a quote behind an odd number of them, stand for themselves. */
const PLAIN = String.raw`\\+(?![\\"])|(?:\\\\)*\\"`;
const QUOTED = String.raw`(?:\\\\)*"(?:${PLAIN}|[^"\\])*(?:(?:\\\\)*"|$)`;
const WORD = new RegExp(`(?:${PLAIN}|${QUOTED}|[^\\s"\\\\])+`, "g");

/** Splits a command line into words as programs of Windows do it (CommandLineToArgvW). */
export function wordsOf(commandLine: string): string[] {
  return (commandLine.match(WORD) ?? []).map((word) =>
    word.replace(/(\\*)"/g, (_, slashes: string) => {
      const half = slashes.slice(0, slashes.length / 2);
      return slashes.length % 2 === 1 ? `${half}"` : half;
    }),
  );
}
