/** Figures as people read them. */
import type { Row } from "./row.ts";

/** "≤ 1.15 ×", "≥ 0.8 ×", or nothing for a row without a target. */
export function target(row: Row): string {
  if (row.most !== undefined) return `≤ ${amount(row.most, row)}`;
  return row.least === undefined ? "" : `≥ ${amount(row.least, row)}`;
}

export function amount(value: number, { unit = "×" }: Row): string {
  return `${number(value)} ${unit}`.trimEnd();
}

/** Three digits that matter. */
export function number(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2);
}
