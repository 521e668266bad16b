/**
 * An issuer that is down for ten lifetimes of its tokens, in each way that there is, under a real
 * daemon with many credentials: one half of them is asked for all the time, the other is left to
 * the daemon itself.
 *
 *     node dist/bench/outage.js [--credentials=1000] [--lifetime=10] [--lifetimes=10] [--kind=NAME]…
 *
 * Lifetimes in seconds; without a kind, every one. Prints a table for each. Exit code 1 if a promise
 * was broken: a caller failed while its token was valid, or was not told at once when to come back;
 * the issuer was tried more often than the back-off allows, or by more than four at a time; a
 * credential did not work within one back-off of the issuer's return.
 */
import { parseArgs } from "node:util";
import { type Bench, run } from "./helpers/bench.ts";
import { KINDS, type Kind } from "./outage/kinds.ts";
import { rowsOf } from "./outage/report.ts";
import { type Options, runOutage } from "./outage/run.ts";

const { values } = parseArgs({
  options: {
    credentials: { type: "string", default: "1000" },
    lifetime: { type: "string", default: "10" },
    lifetimes: { type: "string", default: "10" },
    kind: { type: "string", multiple: true, default: Object.keys(KINDS) },
  },
});
const options: Options = {
  credentials: Number(values.credentials),
  lifetime: Number(values.lifetime) * 1_000,
  lifetimes: Number(values.lifetimes),
};

for (const name of values.kind) {
  const kind: Kind | undefined = (KINDS as Record<string, Kind>)[name];
  if (!kind) throw new Error(`--kind is one of ${Object.keys(KINDS).join(", ")}`);
  process.stdout.write(`\n${name}: ${kind.what}\n`);
  await run(async (bench: Bench) => {
    const outcome = await runOutage(bench, kind, options);
    for (const row of rowsOf(outcome)) bench.row(row);
    for (const told of outcome.callers.told) process.stdout.write(`  ${told}\n`);
  });
}
