/** Runs in the place of main.js on a machine whose wall clock is ahead by BENCH_SHIFT_MS, or behind. */
import { MAIN } from "../helpers/child.ts";

// The daemon keeps no variables that it does not know.
const shiftMs = Number(process.env.BENCH_SHIFT_MS);
const now = Date.now;

globalThis.Date = class extends Date {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [now() + shiftMs] : args) as [number]));
  }

  static override now(): number {
    return now() + shiftMs;
  }
} as DateConstructor;

await import(MAIN);
