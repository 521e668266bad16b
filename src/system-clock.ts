import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { Clock } from "./clock.ts";

/** The machine's own time. */
export function systemClock(): Clock {
  return {
    wall: () => Date.now(),
    monotonic: () => performance.now(),
    boot: () => uptime() * 1_000,
    bootId: bootId(),
    schedule(ms, run) {
      const timer = setTimeout(run, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    random: () => Math.random(),
  };
}

/** Linux tells it; elsewhere ages are compared by the wall clock after a restart of the daemon. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
