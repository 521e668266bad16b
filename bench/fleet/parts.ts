/** The parts of the harness, by the name that --only takes. */
import { FileScope } from "../../test/helpers/scope.ts";
import type { Bench } from "../helpers/bench.ts";
import { ok, type Row } from "../helpers/row.ts";
import { growthRows, LOADS } from "./growth.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { rowsOf } from "./report.ts";
import { type Options, type Outcome, runKills, runKind } from "./run.ts";
import { simulate } from "./simulated.ts";
import { spreadingRow } from "./spreading.ts";

export interface Measured {
  what?: string;
  rows: Row[];
  /** Of what happened to a fleet. */
  outcome?: Outcome;
}

export interface Part {
  what: string;
  measure(bench: Bench, options: Options, alone: readonly number[]): Promise<Measured>;
}

const fleetPart = (
  what: string,
  go: (bench: Bench, options: Options) => Promise<Outcome>,
): Part => ({
  what,
  async measure(bench, options, alone) {
    const outcome = await go(bench, options);
    const rows = rowsOf(outcome, alone);
    if (rows.some((row) => ok(row) === false)) process.stderr.write(`${outcome.account}\n`);
    return { rows, outcome };
  },
});

const kinds = Object.entries(KINDS as Record<string, Kind>).map(
  ([name, kind]) =>
    [name, fleetPart(kind.what, (bench, options) => runKind(bench, kind, options))] as const,
);

export const PARTS: Readonly<Record<string, Part>> = {
  ...Object.fromEntries(kinds),
  killed: fleetPart("hosts are killed (SIGKILL) at every named instant of a refresh", runKills),
  spreading: {
    what: "how soon all hosts have a new token",
    async measure(bench, { hosts }) {
      const direct = { hosts, rounds: 30, pooled: false, most: 50 };
      return { rows: [await spreadingRow(bench, direct)] };
    },
  },
  "spreading, pooled": {
    what: "how soon all hosts have a new token where notices get lost",
    async measure(bench, { hosts }) {
      // Every two seconds each host asks.
      const pooled = { hosts, rounds: 10, pooled: true, most: 2_000 };
      return { rows: [await spreadingRow(bench, pooled)] };
    },
  },
  simulated: {
    what: "many hosts and credentials, on a clock of their own at a real PostgreSQL",
    async measure(_, { lastsMs }) {
      const runs = [];
      for (const load of LOADS) {
        const scope = new FileScope();
        runs.push(await simulate(scope, load, lastsMs / 1_000).finally(() => scope.end()));
      }
      return { rows: growthRows(runs) };
    },
  },
};
