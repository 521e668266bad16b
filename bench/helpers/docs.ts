/** Writes a table of measured rows into a document, between two comments that mark its place. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { amount, target } from "./amounts.ts";
import { ROOT } from "./child.ts";
import { ok, type Row } from "./row.ts";

const BEGIN = "<!-- figures: npm run bench -- --docs -->";
const END = "<!-- end of figures -->";

/** Replaces what stands between the marks in `document`, a path below the checkout. Throws without them. */
export function writeFigures(document: string, rows: readonly Row[]): void {
  const path = join(ROOT, document);
  const text = readFileSync(path, "utf8");
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${document} has no marks for the figures`);
  const lines = ["", machine(), "", ...table(rows), ""];
  writeFileSync(
    path,
    `${text.slice(0, begin + BEGIN.length)}\n${lines.join("\n")}\n${text.slice(end)}`,
  );
}

function machine(): string {
  const day = new Date().toISOString().slice(0, 10);
  return `Measured on ${day} with Node ${process.versions.node} on ${process.platform} ${process.arch}, ${cpus().length} processors (${cpus()[0]?.model ?? "unknown"}).`;
}

function table(rows: readonly Row[]): string[] {
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
