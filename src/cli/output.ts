/** Lines on stdout. */
export function print(...lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
}

/** A value for programs, on stdout. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Columns of the terminal; a file gets long lines rather than cut ones. */
export function columns(): number {
  return process.stdout.columns || Number.MAX_SAFE_INTEGER;
}
