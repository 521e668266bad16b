import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Writes a program for the shell. */
export function writeProgram(path: string, script: string): string {
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

/** A script that notes its variables that begin so, one run a block. */
export const noteVariables = (file: string, prefix = "") =>
  `printf '%s\\n--\\n' "$(env | grep '^${prefix}' | sort)" >> '${file}'`;

/** What such a script has noted so far. */
export function notedRuns(file: string): Record<string, string>[] {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text
    .split("--\n")
    .slice(0, -1)
    .map((block) => Object.fromEntries(block.split("\n").map((line) => line.split(/=(.*)/s, 2))));
}
