/** What every bench is run in: a folder of its own, what to put away at the end, and its rows. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ok, type Row } from "./row.ts";
import { table } from "./table.ts";

export interface Bench {
  /** Removed at the end. */
  readonly folder: string;
  /** `--quick`: only to see that the bench works; its numbers mean nothing. */
  readonly quick: boolean;
  /** Called at the end, the last one first, also after an error. */
  defer(putAway: () => unknown): void;
  row(row: Row): void;
}

/**
 * Runs one bench as this process: prints its rows, or hands them to the process that runs all of
 * them. Alone, the exit code is 1 if a target was missed.
 */
export async function run(measure: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "authd-bench-")));
  const quick = process.argv.includes("--quick");
  const rows: Row[] = [];
  const steps: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const putAway = async () => {
    for (let step = steps.pop(); step; step = steps.pop()) await step();
  };
  // Ctrl-C, or the process that runs all of them is gone.
  const stop = () => void putAway().finally(() => process.exit(1));
  const ends = ["SIGINT", "SIGTERM", "disconnect"] as const;
  for (const end of ends) process.once(end, stop);
  try {
    await measure({
      folder,
      quick,
      defer: (step) => void steps.push(step),
      row: (row) => void rows.push(row),
    });
  } finally {
    await putAway();
    for (const end of ends) process.off(end, stop);
  }
  if (process.send) process.send(rows);
  else if (rows.length > 0) process.stdout.write(table(rows, !quick));
  if (!quick && rows.some((row) => ok(row) === false)) process.exitCode = 1;
  process.disconnect?.();
}
