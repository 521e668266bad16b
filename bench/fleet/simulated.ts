/** Many hosts and credentials on a clock of their own, at a real PostgreSQL: what they ask of it. */
import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { fleetKeyOf, sealPayload } from "../../src/vault/store/fleet-key.ts";
import { openStore } from "../../src/vault/store/index.ts";
import { FakeClock } from "../../test/helpers/fake-clock.ts";
import { startPostgres } from "../../test/helpers/postgres.ts";
import type { Scope } from "../../test/helpers/scope.ts";
import { CountedStore, type Counts } from "./counted-store.ts";
import { Relay } from "./relay.ts";
import { SimulatedHost } from "./simulated-host.ts";

const SECOND = 1_000;
const STEP_MS = 100;
/** Tokens of an hour are refreshed at about this age (ms). */
const INTERVAL_MS = 2_600 * SECOND;
const TOKEN = "t".repeat(900);

export interface Load {
  hosts: number;
  credentials: number;
}

export interface Simulated extends Load {
  seconds: number;
  refreshes: number;
  counts: Counts;
  /** In both directions. */
  bytes: number;
}

/** Runs so many seconds of the clock, while tokens of an hour are refreshed. */
export async function simulate(
  scope: Scope,
  { hosts: count, credentials }: Load,
  seconds: number,
): Promise<Simulated> {
  const server = await startPostgres(scope);
  const { url, password } = await server.createDatabase();
  const relay = await Relay.start("127.0.0.1", 0, server.port);
  scope.teardown(() => relay.close());
  const { pathname } = new URL(url);
  const address = { url: `postgres://owner@127.0.0.1:${relay.port}${pathname}`, password };
  const store = await openStore({ ...address, password: password! });
  scope.teardown(() => store.close());
  const key = randomBytes(32);
  const names = Array.from({ length: credentials }, (_, at) => `credential-${at}`);
  const records = names.map((name) => ({
    ...{ name, version: 0 },
    payload: sealPayload(fleetKeyOf(key), name, { generation: 0, record: firstRecord() }),
  }));
  const to = fleetKeyOf(key).id;
  await store.replaceAll({ holder: "host-0", from: undefined, to, hosts: [], records });

  const clock = new FakeClock();
  const counted = new CountedStore(store);
  const first = firstRecord;
  const hosts = Array.from({ length: count }, (_, at) => {
    const options = { name: `host-${at}`, clock, key, first, names };
    return new SimulatedHost({ ...options, store: counted.forHost() });
  });
  for (const { sync } of hosts) {
    await sync.start();
    clock.advance((2 * SECOND) / count);
    await settled(counted);
  }
  counted.counts = { polls: 0, reads: 0, changes: 0 };
  relay.bytes = 0;
  let refreshes = 0;
  const shareOfStep = (credentials * STEP_MS) / INTERVAL_MS;
  for (let step = 1; step <= (seconds * SECOND) / STEP_MS; step++) {
    clock.advance(STEP_MS);
    for (; refreshes < Math.floor(step * shareOfStep); refreshes++) {
      await hosts[refreshes % count]!.refresh(names[refreshes % credentials]!);
    }
    await settled(counted);
  }
  const { counts } = counted;
  const { bytes } = relay;
  for (const { sync } of hosts) await sync.stop();
  return { hosts: count, credentials, seconds, refreshes, counts, bytes };
}

async function settled(counted: CountedStore): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet++) {
    await nextTurn();
    if (counted.open > 0) quiet = 0;
  }
}

function firstRecord(): CredentialRecord {
  const obtainedAt = { wall: 0, boot: 0, bootId: "store" };
  const token = { accessToken: TOKEN, tokenType: "Bearer", lifetime: 3_600 * SECOND };
  const about = { assumed: false, obtainedAt, jitter: 0, askedAt: 0 };
  return {
    secrets: { refresh_token: "r".repeat(40) },
    binding: "binding",
    tokens: [{ ...token, ...about }],
    refreshCount: 1,
    shared: { version: 1, epoch: 0, generation: 0 },
  };
}
