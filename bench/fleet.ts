/**
 * Eight real daemons in network namespaces of their own, which share credentials in a real PostgreSQL, under
 * everything that happens to a fleet; how soon a new token is everywhere; and what 100 hosts ask of the store.
 * Needs root, and the Debian packages postgresql, pgbouncer and iproute2.
 *
 *     node dist/bench/fleet.js [--only=PART]… [--seconds=60] [--hosts=8] [--credentials=6] [--lifetime=8]
 *                              [--points=14] [--docs]
 *
 * Credentials are those of each of two issuers: one ends a session when a spent refresh token comes again, one
 * forgives it for a minute. Prints a table for each part; with --docs docs/fleet.md gets the figures. Exit code 1 if
 * a promise was broken: a refresh token was spent twice, a session was lost outside the window between the issuer's
 * answer and its fsync, or there were more refreshes than one daemon alone makes.
 */
import { parseArgs } from "node:util";
import { CRASH_POINTS } from "../test/helpers/crash-points.ts";
import { writeFleet } from "./fleet/document.ts";
import { isolated } from "./fleet/network.ts";
import { type Measured, PARTS } from "./fleet/parts.ts";
import { type Options, runAlone } from "./fleet/run.ts";
import { run } from "./helpers/bench.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: Object.keys(PARTS) },
    seconds: { type: "string", default: "60" },
    hosts: { type: "string", default: "8" },
    credentials: { type: "string", default: "6" },
    lifetime: { type: "string", default: "8" },
    points: { type: "string", default: String(CRASH_POINTS.length) },
    docs: { type: "boolean", default: false },
    isolated: { type: "boolean" },
  },
});

async function main(): Promise<void> {
  const unknown = values.only.find((name) => !PARTS[name]);
  if (unknown) throw new Error(`--only is one of ${Object.keys(PARTS).join(", ")}`);
  const options: Options = {
    hosts: Number(values.hosts),
    credentials: Number(values.credentials),
    lifetime: Number(values.lifetime) * 1_000,
    lastsMs: Number(values.seconds) * 1_000,
    points: Number(values.points),
  };
  let alone: number[] = [];
  await run(async (bench) => {
    alone = await runAlone(bench, options);
  });
  const measured: Measured[] = [];
  for (const name of values.only) {
    const part = PARTS[name]!;
    process.stdout.write(`\n${name}: ${part.what}\n`);
    await run(async (bench) => {
      const each = await part.measure(bench, options, alone);
      for (const row of each.rows) bench.row(row);
      measured.push({ ...each, what: part.what });
    });
  }
  if (values.docs) writeFleet("docs/fleet.md", measured, alone);
}

const code = await isolated();
if (code === undefined) await main();
else process.exitCode = code;
