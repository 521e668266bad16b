/** Prints lines on stdout. */
export function print(...lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
}

/** Prints a value as JSON on stdout. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Returns the terminal's columns; a file gets whole lines. */
export function columns(): number {
  return process.stdout.columns || Number.MAX_SAFE_INTEGER;
}
