/**
 * Thirty days of a daemon with 10,000 credentials, in minutes: its real core on a simulated clock,
 * with issuers that fail in every way, clocks that jump, a machine that sleeps, and programs that
 * ask. Prints the tally; exit code 1 if a rule was broken.
 *
 *     node dist/bench/long-run.js [--days N] [--credentials N] [SEED]
 */
import { parseArgs } from "node:util";
import { simulate } from "./simulation/run.ts";

const { values, positionals } = parseArgs({
  options: {
    days: { type: "string", default: "30" },
    credentials: { type: "string", default: "10000" },
  },
  allowPositionals: true,
});
const days = Number(values.days);
const credentials = Number(values.credentials);
const seed = Number(positionals[0] ?? 1);
const startedAt = performance.now();
const seconds = () => `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
/** Milliseconds. */
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const tally = await simulate({
  ...{ seed, days, credentials },
  onDay: (day, { violationCount }) =>
    process.stderr.write(`day ${day} after ${seconds()}, ${violationCount} violations\n`),
  onViolation: (text) => process.stderr.write(`VIOLATION ${text}\n`),
});
process.stdout.write(tally.report());
process.stdout.write(
  `${days} days, ${credentials} credentials, seed ${seed}: ${tally.violationCount} violations, in ${seconds()}, ` +
    `${(cpu() / 1_000).toFixed(1)} s of CPU, ${(process.resourceUsage().maxRSS / 1_024).toFixed(0)} MB at most\n`,
);
process.exit(tally.violationCount > 0 ? 1 : 0);
