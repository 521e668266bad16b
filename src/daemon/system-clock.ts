import { uptime } from "node:os";
import { bootId } from "../base/boot-id.ts";
import type { Clock } from "../base/clock.ts";

/** The machine's own time. */
export function systemClock(): Clock {
  return {
    wall: () => Date.now(),
    monotonic: () => performance.now(),
    boot: () => uptime() * 1_000,
    // Without one, ages are compared by the wall clock after a restart of the daemon.
    bootId: bootId(),
    schedule(ms, run) {
      const timer = setTimeout(run, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    random: () => Math.random(),
  };
}
