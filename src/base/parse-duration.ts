const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Returns the milliseconds of `90s`, `30m`, `1.5h` or `2d`, seconds without a unit; undefined for other text. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([smhd])?$/.exec(text.trim());
  if (!match) return undefined;
  const [, number, unit = "s"] = match;
  return Number(number) * UNITS[unit as keyof typeof UNITS];
}
