import type { Log } from "../base/log.ts";
import type { Configuration } from "../config/settings.ts";

/** Logs which rules can't match any program as they stand: a mistake, or a program that is not installed yet. */
export function logRuleWarnings({ credentials }: Configuration, log: Log): void {
  for (const { name, policy } of credentials.values()) {
    for (const warning of policy?.warnings ?? []) {
      log.warn({ credential: name }, `${name}: ${warning}.`);
    }
  }
}
