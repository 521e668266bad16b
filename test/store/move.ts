/** A host that ends itself at a named instant of `authd vault move`, into a real PostgreSQL and back. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { startCrashableDaemon } from "../helpers/crashable-daemon.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addRotating, type FleetStore, startHost, succeeded } from "../helpers/fleet.ts";
import type { MovePoint } from "../helpers/move-steps.ts";
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

interface Moving {
  reuse: ReuseIssuer;
  store: FleetStore;
  host: Daemon;
}

/** A host with credentials of two kinds. `told`: config.toml names the store already. */
async function prepare(t: ExecutionContext, told: boolean): Promise<Moving> {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const { url, password } = await server.createDatabase();
  const store = { url, password: password!() };
  const host = await startHost(t, store, "one");
  if (!told) {
    rmSync(join(host.configDir, "config.toml"));
    const file = join(host.folder, ".pgpass");
    writeFileSync(file, `*:*:*:*:${store.password}\n`, { mode: 0o600 });
  }
  await addRotating(t, host, reuse);
  const settings = ["--set", "origins=https://api.example.com", "--secrets-from", "-"];
  const input = JSON.stringify({ token: "fixed-of-a-test" });
  succeeded(t, await host.cli(["add", "fixed", "--grant", "static", ...settings], { input }));
  return { reuse, store, host };
}

/** Ends the host, and has it kill itself in a move; resolves when it runs again. */
async function cutOff(t: ExecutionContext, host: Daemon, to: string, point: MovePoint) {
  await host.stop();
  const crashable = await startCrashableDaemon(t, host);
  await crashable.arm(point);
  t.not((await host.cli(["vault", "move", "--to", to])).code, 0);
  t.is((await crashable.ended).signal, "SIGKILL");
  return await startDaemon(t, { home: host });
}

/** Both credentials serve their tokens, before anything else is done. */
async function serves(t: ExecutionContext, host: Daemon): Promise<void> {
  t.is(succeeded(t, await host.cli(["get", "fixed"])).stdout, "fixed-of-a-test\n");
  succeeded(t, await host.cli(["get", "rotating"]));
}

/** Every refresh token came once, each as the answer to the one before; the newest works. */
async function refreshes(t: ExecutionContext, { reuse }: Moving, host: Daemon): Promise<void> {
  const before = reuse.arrived.length;
  await until(async () => (await host.cli(["refresh", "rotating"])).code === 0);
  t.true(reuse.arrived.length > before);
  t.false(reuse.isRevoked);
  t.deepEqual(
    reuse.arrived,
    reuse.arrived.map((_, at) => `refresh-${at}`),
  );
}

async function refusesToSpend(t: ExecutionContext, { reuse }: Moving, host: Daemon): Promise<void> {
  const before = reuse.arrived.length;
  t.not((await host.cli(["refresh", "rotating"])).code, 0);
  t.is(reuse.arrived.length, before);
}

/** How many records and hosts the store has. */
async function inStore({ store }: Moving): Promise<{ records: number; hosts: number }> {
  const sql = `SELECT (SELECT count(*) FROM authd.record WHERE payload IS NOT NULL)::int AS records,
    (SELECT count(*) FROM authd.host)::int AS hosts`;
  return (await server.query(new URL(store.url).pathname.slice(1), sql)).rows[0];
}

const INTO: readonly [MovePoint, "told" | "untold"][] = [
  ["before the transaction", "untold"],
  ["before the transaction", "told"],
  ["with the transaction sent, before its commit", "untold"],
  ["after the transaction", "untold"],
  ["after the transaction", "told"],
  ["before the configuration is written", "untold"],
  ["with the configuration written", "untold"],
];

for (const [point, how] of INTO) {
  test.serial(`into the store, killed ${point} (${how}): given again, all is there`, async (t) => {
    const moving = await prepare(t, how === "told");
    const { store, host: first } = moving;
    const host = await cutOff(t, first, store.url, point);
    await serves(t, host);
    // A host that is told of a store, and is none of its hosts, spends no refresh token.
    if (how === "told" && point === "before the transaction") await refusesToSpend(t, moving, host);
    else await refreshes(t, moving, host);
    const said = succeeded(t, await host.cli(["vault", "move", "--to", store.url, "--json"]));
    t.is(JSON.parse(said.stdout).credentials, 2);
    await serves(t, host);
    await refreshes(t, moving, host);
    t.deepEqual(await inStore(moving), { records: 2, hosts: 1 });
    const { stdout } = succeeded(t, await host.cli(["fleet", "status", "--json"]));
    t.deepEqual(
      JSON.parse(stdout).hosts.map(({ name }: { name: string }) => name),
      [how === "told" ? "one" : JSON.parse(said.stdout).host],
    );
  });
}

test.serial(
  "a move that was cut off and given up leaves nothing that a join replaces",
  async (t) => {
    const { store, host: first } = await prepare(t, false);
    const host = await cutOff(t, first, store.url, "before the transaction");
    const other = await startHost(t, store, "two");
    const given = ["--set", "origins=https://api.example.com", "--secrets-from", "-"];
    const input = JSON.stringify({ token: "another-of-a-test" });
    succeeded(t, await other.cli(["add", "fixed", "--grant", "static", ...given], { input }));
    succeeded(t, await other.cli(["vault", "move", "--to", store.url]));
    const invite = succeeded(t, await other.cli(["fleet", "invite"])).stdout;
    const joined = await host.cli(["fleet", "join", store.url, "--invite", "-"], { input: invite });
    t.is(joined.code, 2);
    t.regex(joined.stderr, /names that this host has too: fixed/);
    await serves(t, host);
  },
);

const BACK: readonly MovePoint[] = [
  "before the configuration is written",
  "with the configuration written",
  "before the transaction",
  "with the transaction sent, before its commit",
  "after the transaction",
];

for (const point of BACK) {
  test.serial(`back to file:, killed ${point}: given again, the store is empty`, async (t) => {
    const moving = await prepare(t, true);
    const { store, host: first } = moving;
    succeeded(t, await first.cli(["vault", "move", "--to", store.url]));
    const host = await cutOff(t, first, "file:", point);
    await serves(t, host);
    await refreshes(t, moving, host);
    const back = ["vault", "move", "--to", "file:", "--json"];
    t.deepEqual(JSON.parse(succeeded(t, await host.cli(back)).stdout), {
      host: "one",
      credentials: 2,
    });
    t.deepEqual(await inStore(moving), { records: 0, hosts: 0 });
    t.notRegex(readFileSync(join(host.configDir, "config.toml"), "utf8"), /\[store\]/);
    await serves(t, host);
    await refreshes(t, moving, host);
    // Once more is no harm.
    succeeded(t, await host.cli(back));
  });
}

for (const point of BACK.slice(0, 3)) {
  test.serial(`back to file:, killed ${point}: nobody joins by an open invitation`, async (t) => {
    const moving = await prepare(t, true);
    const { store, host: first } = moving;
    succeeded(t, await first.cli(["vault", "move", "--to", store.url]));
    const invite = succeeded(t, await first.cli(["fleet", "invite"])).stdout;
    const host = await cutOff(t, first, "file:", point);
    const join = ["fleet", "join", store.url, "--invite", "-"];
    const other = await startHost(t, store, "two");
    const joined = await other.cli(join, { input: invite });
    t.is(joined.code, 2);
    t.regex(joined.stderr, /taking its credentials back/);
    await refreshes(t, moving, host);
    // Whoever wants to share after all lets others in again.
    if (point === "before the configuration is written") {
      const { stdout: again } = succeeded(t, await host.cli(["fleet", "invite"]));
      succeeded(t, await other.cli(join, { input: again }));
      await refreshes(t, moving, host);
      const token = async (one: Daemon) => (await one.cli(["get", "rotating"])).stdout;
      await until(async () => (await token(other)) === (await token(host)));
      return;
    }
    succeeded(t, await host.cli(["vault", "move", "--to", "file:"]));
    t.deepEqual(await inStore(moving), { records: 0, hosts: 0 });
    await refreshes(t, moving, host);
  });
}
