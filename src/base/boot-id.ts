import { readFileSync } from "node:fs";

/** Identifies this boot of the machine. Linux tells it; elsewhere it is empty. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
