import { readFileSync } from "node:fs";

/** Returns the id of this boot of the machine; empty where the system has none, which is all but Linux. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
