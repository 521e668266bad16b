/**
 * Eight real daemons in network namespaces of their own, which share credentials in a real PostgreSQL, under
 * everything that happens to a fleet. Needs root, and the Debian packages postgresql and iproute2.
 *
 *     node dist/bench/fleet.js [--only=KIND]… [--seconds=60] [--hosts=8] [--credentials=6] [--lifetime=8]
 *
 * Credentials are those of each of two issuers: one ends a session when a spent refresh token comes again, one
 * forgives it for a minute. Prints a table for each kind. Exit code 1 if a promise was broken: a refresh token was
 * spent twice, a session was lost outside the window between the issuer's answer and its fsync, or there were
 * more refreshes than one daemon alone makes.
 */
import { parseArgs } from "node:util";
import { KINDS, type Kind } from "./fleet/kinds.ts";
import { isolated } from "./fleet/network.ts";
import { rowsOf } from "./fleet/report.ts";
import { type Options, runAlone, runKills, runKind } from "./fleet/run.ts";
import { run } from "./helpers/bench.ts";
import { ok } from "./helpers/row.ts";

const KILLED = "killed";
const KILLED_WHAT = "hosts are killed (SIGKILL) at every named instant of a refresh";
const NAMES = [...Object.keys(KINDS), KILLED];

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: NAMES },
    seconds: { type: "string", default: "60" },
    hosts: { type: "string", default: "8" },
    credentials: { type: "string", default: "6" },
    lifetime: { type: "string", default: "8" },
    isolated: { type: "boolean" },
  },
});

async function main(): Promise<void> {
  const options: Options = {
    hosts: Number(values.hosts),
    credentials: Number(values.credentials),
    lifetime: Number(values.lifetime) * 1_000,
    lastsMs: Number(values.seconds) * 1_000,
  };
  let alone: number[] = [];
  await run(async (bench) => {
    alone = await runAlone(bench, options);
  });
  for (const name of values.only) {
    const kind: Kind | undefined = (KINDS as Record<string, Kind>)[name];
    if (!kind && name !== KILLED) throw new Error(`--only is one of ${NAMES.join(", ")}`);
    process.stdout.write(`\n${name}: ${kind?.what ?? KILLED_WHAT}\n`);
    await run(async (bench) => {
      const outcome = await (kind ? runKind(bench, kind, options) : runKills(bench, options));
      const rows = rowsOf(outcome, alone);
      for (const row of rows) bench.row(row);
      if (rows.some((row) => ok(row) === false)) process.stderr.write(`${outcome.account}\n`);
    });
  }
}

const code = await isolated();
if (code === undefined) await main();
else process.exitCode = code;
