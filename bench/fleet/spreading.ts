/** How long a new token takes from its commit on one host until another one serves it. */
import { setTimeout as sleep } from "node:timers/promises";
import { startPgBouncer } from "../../test/helpers/pgbouncer.ts";
import { startPostgres } from "../../test/helpers/postgres.ts";
import { number } from "../helpers/amounts.ts";
import type { Bench } from "../helpers/bench.ts";
import { median, percentile } from "../helpers/rounds.ts";
import type { Row } from "../helpers/row.ts";
import { Fleet } from "./fleet.ts";
import type { FleetHost } from "./host.ts";

const NAME = "strict-0";
const HOUR_MS = 3_600_000;
/** Within a second of the last refresh nothing is sent. */
const APART_MS = 1_200;

export interface SpreadingOptions {
  hosts: number;
  rounds: number;
  /** Notices get lost there. */
  pooled: boolean;
  /** The most that the median may be, ms. */
  most: number;
}

export async function spreadingRow(bench: Bench, options: SpreadingOptions): Promise<Row> {
  const { hosts, rounds, pooled, most } = options;
  const scope = { teardown: bench.defer };
  const server = await startPostgres(scope);
  const direct = await server.createDatabase();
  const { url, password } = pooled ? await startPgBouncer(scope, server, direct) : direct;
  const fleet = await Fleet.start(bench, {
    places: Array.from({ length: hosts }, () => undefined),
    ...{ address: "127.0.0.1", credentials: 1, lifetime: HOUR_MS },
  });
  await fleet.share({ url, password: password!() });
  const committedAt = async () => {
    const sql = `SELECT extract(epoch FROM committed_at) * 1000 AS at FROM authd.record WHERE name = '${NAME}'`;
    return Number((await server.query(new URL(direct.url).pathname.slice(1), sql)).rows[0].at);
  };
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(APART_MS);
    const one = fleet.hosts[round % hosts]!;
    const others = fleet.hosts.filter((host) => host !== one);
    const before = await tokenOf(one);
    const served = Promise.all(others.map((host) => otherThan(host, before)));
    await one.client.getToken({ credential: NAME, forceRefresh: true });
    const seen = await served;
    const from = await committedAt();
    times.push(...seen.map((at) => at - from));
  }
  return {
    what: `from the commit until another host serves the token, ${pooled ? "through PgBouncer" : "directly"}, median`,
    measured: median(times),
    unit: "ms",
    most,
    detail: `p90 ${number(percentile(times, 0.9))} ms, ${times.length} times, ${hosts} hosts of one machine`,
  };
}

async function tokenOf({ client }: FleetHost): Promise<string> {
  return (await client.getToken({ credential: NAME })).accessToken;
}

/** Resolves with when (wall clock, ms) the host first served another token. */
async function otherThan(host: FleetHost, before: string): Promise<number> {
  while ((await tokenOf(host)) === before) await sleep(1);
  return Date.now();
}
