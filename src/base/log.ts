import { createRequire } from "node:module";
import type { Logger } from "pino";

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
 * Returns a log that writes JSON lines to stderr, which service managers and shells read. pino is loaded
 * with the first line that `level` lets pass: a quiet daemon starts faster and stays 2 MB smaller.
 */
export function createLog(level: string): Log {
  const require = createRequire(import.meta.url);
  const least = LEVELS.indexOf(level as Level);
  let logger: Logger | undefined;
  const write = (at: "debug" | "info" | "warn" | "error") => (about: object, message: string) => {
    if (LEVELS.indexOf(at) < least) return;
    if (!logger) {
      const { pino } = require("pino") as typeof import("pino");
      logger = pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
    }
    logger[at](about, message);
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
