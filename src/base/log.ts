import { createRequire } from "node:module";
import type { Logger } from "pino";
import { stripControlChars } from "./terminal-safe.ts";

/** The part of pino that authd uses. Objects hold names and reasons, never a secret or a token. */
export interface Log {
  debug(about: object, message: string): void;
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type Level = (typeof LEVELS)[number];

/**
 * Returns a log that writes to stderr: words on a terminal, elsewhere JSON lines, which service managers
 * read. pino is loaded with the first of those that `level` lets pass: a quiet daemon starts faster and
 * stays 2 MB smaller.
 */
export function createLog(level: string): Log {
  const require = createRequire(import.meta.url);
  const least = LEVELS.indexOf(level as Level);
  let logger: Logger | undefined;
  const write = (at: "debug" | "info" | "warn" | "error") => (about: object, message: string) => {
    if (LEVELS.indexOf(at) < least) return;
    if (process.stderr.isTTY) {
      process.stderr.write(`${wordsOf(at, message)}\n`);
      return;
    }
    if (!logger) {
      const { pino } = require("pino") as typeof import("pino");
      logger = pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
    }
    logger[at](about, message);
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** Returns a line of the log for people: the time of day, the level, and the message. */
function wordsOf(level: string, message: string): string {
  const time = new Date().toTimeString().slice(0, 8);
  return `${time} ${level.padEnd(5)} ${stripControlChars(message)}`;
}
