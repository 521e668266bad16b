/** Writes a table of measured rows into a document, between two comments that mark its place. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { amount, target } from "./amounts.ts";
import { ROOT } from "./child.ts";
import { ok, type Row } from "./row.ts";

const END = "<!-- end of figures -->";

/** Replaces what stands between the marks in `document`, a path below the checkout. Throws without them. */
export function writeFigures(document: string, rows: readonly Row[]): void {
  writeLines(document, "npm run bench -- --docs", [machine(), "", ...table(rows)]);
}

/** The same with any lines; `command` is what writes them. */
export function writeLines(document: string, command: string, lines: readonly string[]): void {
  const mark = `<!-- figures: ${command} -->`;
  const path = join(ROOT, document);
  const text = readFileSync(path, "utf8");
  const begin = text.indexOf(mark);
  const end = text.indexOf(END, begin);
  if (begin === -1 || end === -1) throw new Error(`${document} has no marks for the figures`);
  const before = text.slice(0, begin + mark.length);
  writeFileSync(path, `${before}\n\n${lines.join("\n")}\n\n${text.slice(end)}`);
}

/** When and where figures were measured. */
export function machine(): string {
  const day = new Date().toISOString().slice(0, 10);
  return `Measured on ${day} with Node ${process.versions.node} on ${process.platform} ${process.arch}, ${cpus().length} processors (${cpus()[0]?.model ?? "unknown"}).`;
}

export function table(rows: readonly Row[]): string[] {
  return [
    "| what | target | measured | how |",
    "|---|---|---|---|",
    ...rows.map((row) => {
      const measured = amount(row.measured, row);
      const shown = ok(row) === false ? `**${measured}**: missed` : measured;
      return `| ${row.what} | ${target(row)} | ${shown} | ${row.detail} |`;
    }),
  ];
}
