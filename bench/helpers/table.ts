import { amount, target } from "./amounts.ts";
import { ok, type Row } from "./row.ts";

/** Rows as people read them: target, measured, and if `judged` whether the one is met by the other. */
export function table(rows: readonly Row[], judged: boolean): string {
  const cells = [
    ["", "what", "target", "measured", "how"],
    ...rows.map((row) => [
      judged ? mark(row) : "",
      row.what,
      target(row),
      amount(row.measured, row),
      row.detail,
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ");
  return `${cells.map((row) => line(row).trimEnd()).join("\n")}\n`;
}

function mark(row: Row): string {
  return { true: "ok", false: "MISSED", undefined: "" }[`${ok(row)}`];
}
