/** Hosts that share a real PostgreSQL, with an issuer that ends a session when a refresh token comes twice. */

import test, { type ExecutionContext } from "ava";
import {
  addRotating,
  type FleetStore,
  startFleet,
  startHost,
  succeeded,
} from "../helpers/fleet.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";
import { type Postgres, startPostgres } from "../helpers/postgres.ts";
import { type ReuseIssuer, startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { FileScope } from "../helpers/scope.ts";
import { until } from "../helpers/until.ts";

const scope = new FileScope();
let server: Postgres;
test.before(async () => {
  server = await startPostgres(scope);
});
test.after.always(() => scope.end());

async function database(): Promise<FleetStore> {
  const { url, password } = await server.createDatabase();
  return { url, password: password!() };
}

async function freeIssuer(t: ExecutionContext): Promise<ReuseIssuer> {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  return reuse;
}

/** Every token came once, each as the answer to the one before. */
function assertNoDoubles(t: ExecutionContext, { arrived, isRevoked }: ReuseIssuer): void {
  t.false(isRevoked);
  t.deepEqual(
    arrived,
    arrived.map((_, at) => `refresh-${at}`),
  );
}

for (const through of ["directly", "through PgBouncer"]) {
  test(`three hosts, ${through}: each refresh is sent once, and all see its token`, async (t) => {
    const reuse = await freeIssuer(t);
    const direct = await database();
    const { url } =
      through === "directly"
        ? direct
        : await startPgBouncer(t, server, { url: direct.url, password: () => direct.password! });
    const store = { ...direct, url };
    const hosts = await startFleet(t, store, ["one", "two", "three"], (first) =>
      addRotating(t, first, reuse),
    );
    for (let round = 0; round < 3; round++) {
      const said = await Promise.all(hosts.map((host) => host.cli(["refresh", "rotating"])));
      for (const one of said) succeeded(t, one);
    }
    const tokens = async () =>
      new Set(
        await Promise.all(hosts.map(async (one) => (await one.cli(["get", "rotating"])).stdout)),
      );
    await until(async () => (await tokens()).size === 1);
    assertNoDoubles(t, reuse);
  });
}

test.serial(
  "the store is down: tokens are served, client_credentials renewed, a rotating token is not spent",
  async (t) => {
    const reuse = await freeIssuer(t);
    let count = 0;
    const issuer = await startIssuer(t, () => ({
      json: { access_token: `plain-${++count}`, token_type: "bearer", expires_in: 600 },
    }));
    const [one, two] = await startFleet(t, await database(), ["one", "two"], async (first) => {
      await addRotating(t, first, reuse);
      const settings = ["--set", `token_url=${issuer.url}`, "--set", "client_id=app"];
      const args = [
        "add",
        "plain",
        "--grant",
        "client_credentials",
        "--secrets-from",
        "-",
        ...settings,
      ];
      succeeded(t, await first.cli(args, { input: '{"client_secret":"x"}' }));
    });
    const { stdout: served } = succeeded(t, await two!.cli(["get", "rotating"]));
    await server.stop("immediate");
    const before = reuse.arrived.length;
    t.is(succeeded(t, await two!.cli(["get", "rotating"])).stdout, served);
    t.is((await two!.cli(["refresh", "rotating"])).code, 7);
    t.is(reuse.arrived.length, before);
    succeeded(t, await one!.cli(["refresh", "plain"]));
    const { stdout: alone } = succeeded(t, await one!.cli(["get", "plain"]));
    await server.start();
    // What one has obtained alone is the other's, too.
    await until(async () => (await two!.cli(["get", "plain"])).stdout === alone);
    await until(async () => (await two!.cli(["refresh", "rotating"])).code === 0);
    assertNoDoubles(t, reuse);
  },
);

test.serial("the server is restarted while hosts refresh", async (t) => {
  const reuse = await freeIssuer(t);
  const hosts = await startFleet(t, await database(), ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  const refreshing = (async () => {
    for (let round = 0; round < 4; round++) {
      await Promise.all(hosts.map((host) => host.cli(["refresh", "rotating"])));
    }
  })();
  await server.stop("immediate");
  await server.start();
  await refreshing;
  for (const host of hosts) {
    await until(async () => (await host.cli(["refresh", "rotating"])).code === 0);
  }
  assertNoDoubles(t, reuse);
});

test("a host that ends between its request and the answer: nobody spends the token again", async (t) => {
  const reuse = await freeIssuer(t);
  const [one, two] = await startFleet(t, await database(), ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  reuse.holding = true;
  const before = reuse.arrived.length;
  const { stdout: served } = succeeded(t, await two!.cli(["get", "rotating"]));
  const refreshing = one!.cli(["refresh", "rotating"]);
  await until(() => reuse.arrived.length > before);
  process.kill(one!.pid, "SIGKILL");
  await one!.ended;
  await refreshing;
  reuse.holding = false;
  // The access token is served; a refresh waits for the host that may know more.
  t.is(succeeded(t, await two!.cli(["get", "rotating"])).stdout, served);
  t.is(reuse.arrived.length, before + 1);
  const { stdout } = succeeded(t, await two!.cli(["fleet", "status", "--json"]));
  t.is(JSON.parse(stdout).credentials[0].intentOf, "one");
  t.false(reuse.isRevoked);
});

test("a token that was sealed and not committed is committed by the next start", async (t) => {
  const reuse = await freeIssuer(t);
  const store = await database();
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  const name = new URL(store.url).pathname.slice(1);
  // The store takes no commit any more, as if the host ended before its answer.
  await server.query(name, "ALTER TABLE authd.clock RENAME TO away");
  await one!.cli(["refresh", "rotating"]);
  const { stdout: token } = succeeded(t, await one!.cli(["get", "rotating"]));
  process.kill(one!.pid, "SIGKILL");
  await one!.ended;
  await server.query(name, "ALTER TABLE authd.away RENAME TO clock");
  const { startDaemon } = await import("../helpers/daemon.ts");
  await startDaemon(t, { home: one! });
  await until(async () => (await two!.cli(["get", "rotating"])).stdout === token);
  succeeded(t, await two!.cli(["refresh", "rotating"]));
  assertNoDoubles(t, reuse);
});

test("a host that joins serves what the first has", async (t) => {
  const reuse = await freeIssuer(t);
  const store = await database();
  const [one] = await startFleet(t, store, ["one"], (first) => addRotating(t, first, reuse));
  const two = await startHost(t, store, "two");
  const { stdout: invite } = succeeded(t, await one!.cli(["fleet", "invite"]));
  const join = ["fleet", "join", store.url, "--invite", "-"];
  succeeded(t, await two.cli(join, { input: invite }));
  const { stdout } = succeeded(t, await one!.cli(["get", "rotating"]));
  t.is(succeeded(t, await two.cli(["get", "rotating"])).stdout, stdout);
  const columns = "SELECT encode(payload, 'escape') AS text FROM authd.record";
  const { rows } = await server.query(new URL(store.url).pathname.slice(1), columns);
  for (const { text } of rows) t.false(/refresh-\d|token-\d/.test(text));
});
