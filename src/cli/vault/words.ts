import type { VaultProblem } from "../../protocol.ts";
import { painter, plain } from "../style.ts";

/** Formats a number with a noun: `1 credential`, `2 credentials`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Prints warnings on stderr, since stdout may be the export itself. */
export function warn(...lines: readonly string[]): void {
  const warning = painter(process.stderr)("yellow", "warning:");
  for (const line of lines) process.stderr.write(`${warning} ${plain(line)}\n`);
}

export function warnOf(problems: readonly VaultProblem[]): void {
  for (const { credential, message } of problems) {
    warn(message.includes(credential) ? message : `${credential}: ${message}`);
  }
}

export const listed = (names: readonly string[]) =>
  names.length > 5
    ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`
    : names.join(", ");
