/** The figures of docs/fleet.md. */
import { number } from "../helpers/amounts.ts";
import { machine, table, writeLines } from "../helpers/docs.ts";
import type { Measured } from "./parts.ts";
import { mean } from "./report.ts";
import type { Outcome } from "./run.ts";

const COMMAND = "node dist/bench/fleet.js --docs";

/** Writes what happened to a fleet, a line each, and then the other figures. */
export function writeFleet(
  document: string,
  measured: readonly Measured[],
  alone: readonly number[],
): void {
  const happened = measured.flatMap(({ what, outcome }) =>
    outcome ? lineOf(what ?? "", outcome, alone) : [],
  );
  const others = measured.flatMap(({ outcome, rows }) => (outcome ? [] : rows));
  writeLines(document, COMMAND, [
    machine(),
    "",
    "| what happened | spent twice | lost outside the window | in it | a person was asked | refreshes, of one daemon's alone | tokens served |",
    "|---|---|---|---|---|---|---|",
    ...happened,
    "",
    ...table(others),
  ]);
}

function lineOf(what: string, outcome: Outcome, alone: readonly number[]): string {
  const { doubles, lost, lostInWindow, asked, intervals, programs } = outcome;
  const share = programs ? `${number(mean(alone) / mean(intervals))} ×` : "";
  const served = programs ? `${programs.served}` : "";
  const cells = [what, doubles, lost.length, lostInWindow, asked, share, served];
  return `| ${cells.join(" | ")} |`;
}
