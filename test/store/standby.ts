/** A standby takes the place of the store's server, and lacks what was committed last. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Relay } from "../../bench/fleet/relay.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addRotating, startFleet, startHost, succeeded } from "../helpers/fleet.ts";
import { startPostgres, startStandby } from "../helpers/postgres.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

/** A store that hosts reach at an address which can be moved to its standby. */
async function startMovable(t: ExecutionContext) {
  const server = await startPostgres(t);
  const { url, password } = await server.createDatabase();
  const address = await Relay.start("127.0.0.1", 0, server.port);
  const following = await Relay.start("127.0.0.1", 0, server.port);
  t.teardown(() => address.close());
  t.teardown(() => following.close());
  const standby = await startStandby(t, server, following.port);
  const name = new URL(url).pathname;
  const count = async () =>
    (await standby.query(name.slice(1), "SELECT sum(version) AS all FROM authd.record")).rows[0]
      .all;
  return {
    url: `postgres://owner@127.0.0.1:${address.port}${name}`,
    standbyUrl: `postgres://owner@127.0.0.1:${standby.port}${name}`,
    password: password!(),
    /** The standby gets nothing any more, from when it has so many commits. */
    async lag(commits: number) {
      await until(async () => Number(await count()) === commits);
      following.move(undefined);
    },
    async promote() {
      await server.stop("immediate");
      address.move(undefined);
      await standby.query("postgres", "SELECT pg_promote()");
      address.move(standby.port);
    },
  };
}

/** The standby has taken the server's place; of the two hosts it lacks the last commit of the first, which stands still. */
async function startBehind(t: ExecutionContext) {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const store = await startMovable(t);
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  const { stdout: key } = succeeded(t, await one!.cli(["fleet", "key", "nodes"]));
  await two!.stop();
  const versionOf = async () => {
    const { stdout } = succeeded(t, await one!.cli(["fleet", "status", "--json"]));
    return JSON.parse(stdout).credentials[0].version as number;
  };
  const version = await versionOf();
  await store.lag(version);
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  await until(async () => (await versionOf()) > version);
  process.kill(one!.pid, "SIGSTOP");
  t.teardown(() => process.kill(one!.pid, "SIGCONT"));
  await store.promote();
  return { reuse, store, key, one: one!, two: two! };
}

/** It spends nothing before the other one goes on, and has put back what it has. */
async function spendsNothing(t: ExecutionContext, host: Daemon, { one, reuse }: Behind) {
  const arrived = [...reuse.arrived];
  await until(async () => (await host.cli(["list"])).stdout.includes("rotating"));
  const refused = await host.cli(["refresh", "rotating"]);
  t.regex(refused.stderr, /was put back to an earlier moment/);
  t.deepEqual(reuse.arrived, arrived);
  process.kill(one.pid, "SIGCONT");
  await until(async () => (await host.cli(["refresh", "rotating"])).code === 0);
  t.false(reuse.isRevoked);
  t.deepEqual(
    reuse.arrived,
    reuse.arrived.map((_, at) => `refresh-${at}`),
  );
}
type Behind = Awaited<ReturnType<typeof startBehind>>;

test("a host that comes with a key after the standby took the server's place waits for the others", async (t) => {
  const behind = await startBehind(t);
  const { store, key, one, two } = behind;
  const keyFile = join(one.folder, "store-key");
  writeFileSync(keyFile, key, { mode: 0o600 });
  const late = await startHost(t, store, "late", [`key_file = ${JSON.stringify(keyFile)}`]);
  await late.stop();
  const again = await startDaemon(t, { home: late });
  // It ran so lately that it is waited for.
  await startDaemon(t, { home: two });
  await spendsNothing(t, again, behind);
});

test("a host that is given the standby's own address waits for the others", async (t) => {
  const behind = await startBehind(t);
  const { store, two } = behind;
  const path = join(two.configDir, "config.toml");
  const settings = readFileSync(path, "utf8").replace(store.url, store.standbyUrl);
  writeFileSync(path, settings, { mode: 0o600 });
  await spendsNothing(t, await startDaemon(t, { home: two }), behind);
});

test("a host that has not seen the lost commit spends nothing before the others have put it back", async (t) => {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const store = await startMovable(t);
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  const { stdout: status } = succeeded(t, await one!.cli(["fleet", "status", "--json"]));
  const { version } = JSON.parse(status).credentials[0];
  await store.lag(version);
  // It sees nothing of the last commit.
  process.kill(two!.pid, "SIGSTOP");
  t.teardown(() => process.kill(two!.pid, "SIGCONT"));
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  const { stdout: token } = succeeded(t, await one!.cli(["get", "rotating"]));
  await until(async () => {
    const { stdout } = await one!.cli(["fleet", "status", "--json"]);
    return JSON.parse(stdout).credentials[0].version > version;
  });
  await store.promote();
  process.kill(two!.pid, "SIGCONT");
  await two!.cli(["refresh", "rotating"]);
  await until(
    async () => (await two!.cli(["get", "rotating"])).stdout === token || reuse.isRevoked,
  );
  t.false(reuse.isRevoked);
  for (const host of [two, one]) {
    await until(async () => (await host!.cli(["refresh", "rotating"])).code === 0);
  }
  t.deepEqual(
    reuse.arrived,
    reuse.arrived.map((_, at) => `refresh-${at}`),
  );
});
