/** What `authd fleet status` tells of leases, intents, versions and how far a host is behind. */

import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import type { FleetStatus } from "../../src/protocol.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import type { Daemon } from "../helpers/daemon.ts";
import { addStatic, startFleet, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

async function statusOf(t: ExecutionContext, host: Daemon): Promise<FleetStatus> {
  return JSON.parse(succeeded(t, await host.cli(["fleet", "status", "--json"])).stdout);
}

async function textOf(t: ExecutionContext, host: Daemon): Promise<string> {
  return succeeded(t, await host.cli(["fleet", "status"])).stdout;
}

test("who committed what and when, whose lease and intent there is, and what this host lacks", async (t) => {
  const url = pathToFileURL(join(temporaryFolder(t), "store")).href;
  const [one, two] = await startFleet(t, { url }, ["one", "two"], (first) =>
    addStatic(t, first, "fixed"),
  );
  await until(async () => (await statusOf(t, two!)).lag.currentMsAgo !== undefined);
  const { lag, credentials, hosts } = await statusOf(t, two!);
  t.is(lag.credentials, 0);
  t.false("ms" in lag);
  t.like(credentials[0], { name: "fixed", version: 1, versionHere: 1, committedBy: "one" });
  t.true(credentials[0]!.committedMsAgo! >= 0);
  t.false("leasedBy" in credentials[0]!);
  t.deepEqual(
    hosts.map(({ name }) => name),
    ["one", "two"],
  );
  const text = await textOf(t, two!);
  t.regex(text, /^two shares file:.*\nit had all of the store \d+ s ago\n/);
  t.regex(text, /^fixed +default +1 +one, \d+ s ago$/m);

  // Another host takes the lease, and tells that it spends a refresh token.
  const store = new FileStore(fileURLToPath(url));
  const { entry } = await store.read("fixed");
  const lease = { holder: "elsewhere", epoch: entry!.epoch, ttlMs: 600_000 };
  const epoch = (await store.acquire("fixed", lease)).entry!.epoch;
  await store.intend("fixed", { epoch, hash: "digest", ttlMs: 300_000 });
  const [leased] = (await statusOf(t, two!)).credentials;
  t.like(leased, { leasedBy: "elsewhere", intentOf: "elsewhere" });
  t.true(leased!.leaseMs! > 0 && leased!.leaseMs! <= 600_000);
  t.true(leased!.intentMsAgo! >= 0);
  t.regex(await textOf(t, two!), /elsewhere refreshes it, for \d+ (s|min)/);

  // It commits what nobody can open: all others are behind.
  const payload = Buffer.from(entry!.payload!);
  payload[payload.length - 1]! ^= 1;
  const { keyId } = await store.hosts();
  const commit = { keyId, epoch, version: 1, payload, holder: "elsewhere" };
  t.true((await store.commit("fixed", { ...commit, settles: true })).done);
  const behind = await statusOf(t, one!);
  t.is(behind.lag.credentials, 1);
  t.true(behind.lag.ms! >= 0);
  t.like(behind.credentials[0], { version: 2, versionHere: 1, committedBy: "elsewhere" });
  t.regex(await textOf(t, one!), /and is behind by 1 credential, \d+ s\n/);
  t.is(succeeded(t, await one!.cli(["get", "fixed"])).stdout, "token-of-fixed\n");
});

test("a host that was drained says so", async (t) => {
  const url = pathToFileURL(join(temporaryFolder(t), "store")).href;
  const [one] = await startFleet(t, { url }, ["one"], (first) => addStatic(t, first, "fixed"));
  t.false("drained" in (await statusOf(t, one!)));
  succeeded(t, await one!.cli(["fleet", "drain"]));
  t.true((await statusOf(t, one!)).drained);
  t.regex(await textOf(t, one!), /refreshes nothing any more/);
});
