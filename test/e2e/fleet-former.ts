/** A host whose settings do not name the store that its records are of any more, or can't be used: nothing of that store is spent, given away or lost. */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addRotating, addStatic, startFleet, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { type ReuseIssuer, startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

const newStore = (t: ExecutionContext) => ({
  url: pathToFileURL(join(temporaryFolder(t), "store")).href,
});
const configOf = ({ configDir }: Daemon) => join(configDir, "config.toml");
const ENTERED = { input: JSON.stringify({ refresh_token: "refresh-of-a-person" }) };

/** Hosts `one` and `two` of a store with a rotating refresh token. */
async function setup(t: ExecutionContext) {
  const store = newStore(t);
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  return { store, reuse, one: one!, two: two! };
}

/** Starts a host again with these settings. */
async function startWith(t: ExecutionContext, host: Daemon, config: string): Promise<Daemon> {
  await host.stop();
  writeFileSync(configOf(host), config);
  return await startDaemon(t, { home: host });
}

const tableOf = (url: string, ...more: string[]) =>
  ["[store]", `url = "${url}"`, 'host = "two"', ...more, ""].join("\n");

/** The host sends nothing, not even for a person. */
async function spendsNothing(t: ExecutionContext, host: Daemon, { arrived }: ReuseIssuer) {
  const before = arrived.length;
  t.not((await host.cli(["refresh", "rotating"])).code, 0);
  t.is(arrived.length, before);
}

/** The store and the issuer have lost nothing by it. */
async function goesOn(t: ExecutionContext, { reuse, one }: Awaited<ReturnType<typeof setup>>) {
  succeeded(t, await one.cli(["refresh", "rotating"]));
  t.is(new Set(reuse.arrived).size, reuse.arrived.length);
  t.false(reuse.isRevoked);
}

/** Another store with one host, and a way in. */
async function anotherFleet(t: ExecutionContext) {
  const other = newStore(t);
  const [three] = await startFleet(t, other, ["three"], (first) => addStatic(t, first, "fixed"));
  return { other, three: three! };
}

async function hasNoneOfIt(t: ExecutionContext, three: Daemon): Promise<void> {
  const { stdout } = succeeded(t, await three.cli(["fleet", "status", "--json"]));
  const { hosts, credentials } = JSON.parse(stdout);
  t.deepEqual([hosts.length, credentials.length], [1, 1]);
}

const OTHERS = /rotating is of the store file:.*authd set rotating.*authd remove rotating/s;

for (const named of ["nothing", "the other store"]) {
  test(`a host with records of a store moves them into no other; config.toml names ${named}`, async (t) => {
    const fleet = await setup(t);
    const other = newStore(t);
    const alone = await startWith(
      t,
      fleet.two,
      named === "nothing" ? "" : tableOf(other.url, "# two"),
    );
    const moved = await alone.cli(["vault", "move", "--to", other.url]);
    t.is(moved.code, 2);
    t.regex(moved.stderr, OTHERS);
    await spendsNothing(t, alone, fleet.reuse);
    await goesOn(t, fleet);

    const again = await startWith(t, alone, "");
    await spendsNothing(t, again, fleet.reuse);
    await again.cli(["set", "rotating", "--force", "--secrets-from", "-"], ENTERED);
    succeeded(t, await again.cli(["vault", "move", "--to", other.url]));
    t.regex((await again.cli(["health"])).stdout, /it is reached/);
  });
}

test("a host with records of a store joins no other", async (t) => {
  const fleet = await setup(t);
  const { other, three } = await anotherFleet(t);
  const alone = await startWith(t, fleet.two, "");
  const { stdout } = succeeded(t, await three.cli(["fleet", "invite"]));
  const join = ["fleet", "join", other.url, "--invite", "-"];
  const joined = await alone.cli(join, { input: stdout });
  t.is(joined.code, 2);
  t.regex(joined.stderr, OTHERS);
  await spendsNothing(t, alone, fleet.reuse);
  await hasNoneOfIt(t, three);
  await goesOn(t, fleet);

  succeeded(t, await alone.cli(["remove", "rotating", "--yes"]));
  succeeded(t, await alone.cli(join, { input: stdout }));
  t.is(succeeded(t, await alone.cli(["get", "fixed"])).stdout, "token-of-fixed\n");
});

test("a host with records of a store enters no other by a key, and finds its own at another address", async (t) => {
  const fleet = await setup(t);
  const { other, three } = await anotherFleet(t);
  const key = join(fleet.two.folder, "key");
  const { stdout } = succeeded(t, await three.cli(["fleet", "key", "nodes"]));
  writeFileSync(key, stdout, { mode: 0o600 });
  const astray = await startWith(t, fleet.two, tableOf(other.url, `key_file = "${key}"`));
  await until(async () => OTHERS.test((await astray.cli(["health"])).stdout));
  await spendsNothing(t, astray, fleet.reuse);
  const status = succeeded(t, await three.cli(["fleet", "status", "--json"])).stdout;
  t.false(JSON.parse(status).hosts.some(({ name }: { name: string }) => name === "two"));
  await goesOn(t, fleet);

  await fleet.one.stop();
  const moved = newStore(t);
  renameSync(new URL(fleet.store.url), new URL(moved.url));
  const again = await startWith(t, astray, tableOf(moved.url));
  await until(async () => (await again.cli(["refresh", "rotating"])).code === 0);
  t.false(fleet.reuse.isRevoked);
});

/** Which host's intent is open, as `host` says. */
async function intentIn(t: ExecutionContext, host: Daemon): Promise<string> {
  const { stdout } = succeeded(t, await host.cli(["fleet", "status", "--json"]));
  return JSON.parse(stdout).credentials[0].intentOf;
}

test("a move that is given again leaves what other hosts of the store have told", async (t) => {
  const { store, reuse, one, two } = await setup(t);
  reuse.holding = true;
  const going = two.cli(["refresh", "rotating"]).catch(() => {});
  await until(() => reuse.waiting > 0);
  process.kill(two.pid, "SIGKILL");
  await going;
  succeeded(t, await one.cli(["fleet", "remove", "two", "--force"]));
  const good = readFileSync(configOf(one), "utf8");
  const unfit = `${good}key_file = "/nonexistent/key"\n`;
  const before = reuse.arrived.length;
  const move = ["vault", "move", "--to", store.url];

  const first = await startWith(t, one, unfit);
  writeFileSync(configOf(one), good);
  t.regex(succeeded(t, await first.cli([...move, "--json"])).stdout, /"credentials": 1/);
  t.is(await intentIn(t, first), "two");

  // As for a host that an earlier authd let in.
  await first.stop();
  rmSync(join(one.stateDir, "store-shared"));
  const second = await startWith(t, first, unfit);
  writeFileSync(configOf(one), good);
  const moved = await second.cli(move);
  t.is(moved.code, 2);
  t.regex(moved.stderr, /rotating: the store has what another host did with it/);
  const third = await startWith(t, second, good);
  await until(async () => /it is reached/.test((await third.cli(["health"])).stdout));
  t.is(await intentIn(t, third), "two");
  t.is(reuse.arrived.length, before);
});

test("a host that was shut out moves nothing into the store that the last host has left", async (t) => {
  const { store, reuse, one, two } = await setup(t);
  succeeded(t, await one.cli(["fleet", "remove", "two"]));
  succeeded(t, await one.cli(["vault", "move", "--to", "file:"]));
  const move = ["vault", "move", "--to", store.url];
  const moved = await two.cli(move);
  t.is(moved.code, 2);
  t.regex(moved.stderr, /rotating: the store has what another host did with it/);
  await spendsNothing(t, two, reuse);
  succeeded(t, await one.cli(["refresh", "rotating"]));
  succeeded(t, await one.cli(move));
  succeeded(t, await one.cli(["refresh", "rotating"]));
  t.false(reuse.isRevoked);
});

test("a store that config.toml names otherwise than by a table is not left", async (t) => {
  const { reuse, one, two, store } = await setup(t);
  succeeded(t, await one.cli(["fleet", "remove", "two"]));
  const config = `store = { url = "${store.url}", host = "one" }\n`;
  const again = await startWith(t, one, config);
  await until(async () => (await again.cli(["refresh", "rotating"])).code === 0);
  const moved = await again.cli(["vault", "move", "--to", "file:"]);
  t.is(moved.code, 2);
  t.regex(moved.stderr, /config\.toml: the store is not named by a table of its own/);
  t.is(readFileSync(configOf(again), "utf8"), config);
  succeeded(t, await again.cli(["refresh", "rotating"]));
  succeeded(t, await again.cli(["fleet", "invite"]));
  t.false(reuse.isRevoked);
  await two.stop();
});

test("a note of the store that can't be read is told, and fences as one that can", async (t) => {
  const { reuse, two } = await setup(t);
  await two.stop();
  const note = join(two.stateDir, "store-shared");
  rmSync(note);
  mkdirSync(note);
  const alone = await startWith(t, two, "");
  await spendsNothing(t, alone, reuse);
  const said = await alone.cli(["refresh", "rotating"]);
  t.true(said.stderr.includes(`${note} tells which store this host shares`), said.stderr);
  const back = await alone.cli(["vault", "move", "--to", "file:"]);
  t.is(back.code, 2);
  t.true(back.stderr.includes(note), back.stderr);
  succeeded(t, await alone.cli(["get", "rotating"]));
});
