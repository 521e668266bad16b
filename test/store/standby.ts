/** A standby takes the place of the store's server, and lacks what was committed last. */

import test, { type ExecutionContext } from "ava";
import { Relay } from "../../bench/fleet/relay.ts";
import { addRotating, startFleet, succeeded } from "../helpers/fleet.ts";
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
