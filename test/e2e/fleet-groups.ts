/** Hosts that may have some of the credentials of a store: real daemons, by their command line. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import type { FleetStatus } from "../../src/protocol.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import {
  addRotating,
  addStatic,
  letIn,
  startFleet,
  startHost,
  staticToken,
  succeeded,
} from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

const storeIn = (folder: string) => ({ url: pathToFileURL(join(folder, "store")).href });

/** Names of the credentials of a host. */
async function namesOf(t: ExecutionContext, host: Daemon): Promise<string[]> {
  const { stdout } = succeeded(t, await host.cli(["list", "--json"]));
  const { credentials } = JSON.parse(stdout) as { credentials: { name: string }[] };
  return credentials.map(({ name }) => name).sort();
}

async function statusOf(t: ExecutionContext, host: Daemon): Promise<FleetStatus> {
  return JSON.parse(succeeded(t, await host.cli(["fleet", "status", "--json"])).stdout);
}

/** The first host has a credential without a group, one for web and one for billing. */
async function startFirst(t: ExecutionContext, store: { url: string }): Promise<Daemon> {
  const [first] = await startFleet(t, store, ["one"], async (host) => {
    await addStatic(t, host, "plain");
    await addStatic(t, host, "page", "web");
    await addStatic(t, host, "money", "billing");
  });
  return first!;
}

test("a host has the credentials of its groups, and no others", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const one = await startFirst(t, store);
  const [web, rest] = await Promise.all(["web-1", "rest"].map((name) => startHost(t, store, name)));
  await letIn(t, store, one, web!, "web");
  await letIn(t, store, one, rest!);
  t.deepEqual(await namesOf(t, web!), ["page"]);
  t.deepEqual(await namesOf(t, rest!), ["plain"]);
  t.is(succeeded(t, await web!.cli(["get", "page"])).stdout, "token-of-page\n");
  t.is((await web!.cli(["get", "money"])).code, 4);
  // What is added later, too; and neither name nor group of others can be taken.
  await addStatic(t, one, "page-2", "web");
  await addStatic(t, one, "money-2", "billing");
  await until(async () => (await namesOf(t, web!)).includes("page-2"));
  t.deepEqual(await namesOf(t, web!), ["page", "page-2"]);
  t.is((await web!.cli(...staticToken("money", "web"))).code, 4);
  t.is((await web!.cli(...staticToken("bill", "billing"))).code, 2);
  t.is((await web!.cli(...staticToken("ungrouped"))).code, 2);
  t.is((await web!.cli(["fleet", "invite", "--group", "billing"])).code, 2);
  t.deepEqual(await namesOf(t, web!), ["page", "page-2"]);
  const { hosts, credentials } = await statusOf(t, web!);
  const groups = Object.fromEntries(hosts.map((host) => [host.name, [...host.groups].sort()]));
  t.deepEqual(groups, { one: ["billing", "default", "web"], "web-1": ["web"], rest: ["default"] });
  t.like(credentials[0], { name: "money", group: "billing", versionHere: 0 });
  const { stdout } = succeeded(t, await web!.cli(["fleet", "status"]));
  t.regex(stdout, /^money +billing +1, not here/m);
  // A second invitation brings a further group.
  await letIn(t, store, one, web!, "billing");
  t.deepEqual(await namesOf(t, web!), ["money", "money-2", "page", "page-2"]);
  t.is(succeeded(t, await web!.cli(["get", "money"])).stdout, "token-of-money\n");
});

test("a credential that goes to another group goes to its hosts, and away from the others", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const one = await startFirst(t, store);
  const [web, billing] = await Promise.all(
    ["web-1", "bill-1"].map((name) => startHost(t, store, name)),
  );
  await letIn(t, store, one, web!, "web");
  await letIn(t, store, one, billing!, "billing");
  succeeded(t, await one.cli(["set", "page", "--set", "group=billing"]));
  await until(async () => (await namesOf(t, billing!)).includes("page"));
  await until(async () => (await namesOf(t, web!)).length === 0);
  t.is(succeeded(t, await billing!.cli(["get", "page"])).stdout, "token-of-page\n");
  // Other changes leave it where it is, also those of a host whose file names another group.
  const input = JSON.stringify({ token: "second" });
  succeeded(t, await one.cli(["set", "page", "--secrets-from", "-"], { input }));
  await until(async () => (await billing!.cli(["get", "page"])).stdout === "second\n");
  t.deepEqual(await namesOf(t, web!), []);
  // An edit of the file by anybody moves nothing before a person has agreed.
  const file = join(one.configDir, "credentials", "page.toml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.replace('"billing"', '"web"'));
  succeeded(t, await one.cli(["reload"]));
  t.is((await one.cli(["get", "page"])).code, 5);
  t.deepEqual(await namesOf(t, web!), []);
  succeeded(t, await one.cli(["trust", "page", "--yes"]));
  await until(async () => (await namesOf(t, web!)).includes("page"));
  await until(async () => !(await namesOf(t, billing!)).includes("page"));
  succeeded(t, await one.cli(["set", "page", "--unset", "group"]));
  const rest = await startHost(t, store, "rest");
  await letIn(t, store, one, rest);
  t.deepEqual(await namesOf(t, rest), ["page", "plain"]);
});

test("a host may leave groups out that it was let into", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const one = await startFirst(t, store);
  const two = await startHost(t, store, "two", ['groups = ["web", "billing"]']);
  await letIn(t, store, one, two, "default", "web");
  t.deepEqual(await namesOf(t, two), ["page"]);
  t.is((await two.cli(...staticToken("ungrouped"))).code, 2);
  t.deepEqual((await statusOf(t, two)).hosts.at(-1)?.groups, ["default", "web"]);
  t.is((await two.cli(["health"])).code, 1, "it was not let into billing");
  await letIn(t, store, one, two, "billing");
  t.deepEqual(await namesOf(t, two), ["money", "page"]);
  t.is((await two.cli(["health"])).code, 0);
  // Another choice is made with a restart.
  const file = join(two.configDir, "config.toml");
  writeFileSync(file, readFileSync(file, "utf8").replace('["web", "billing"]', '["default"]'));
  await two.stop();
  const again = await startDaemon(t, { home: two });
  await until(async () => (await namesOf(t, again)).join() === "plain");
  t.false(existsSync(join(two.configDir, "credentials", "page.toml")));
  t.is(succeeded(t, await one.cli(["get", "page"])).stdout, "token-of-page\n");
});

test("a group that a host was not let into takes nothing from it, and the host says so", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const one = await startFirst(t, store);
  const two = await startHost(t, store, "two");
  await letIn(t, store, one, two, "default", "web");
  t.deepEqual(await namesOf(t, two), ["page", "plain"]);
  await two.stop();
  const file = join(two.configDir, "config.toml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, `${before}groups = ["web", "typo"]\n`);
  const again = await startDaemon(t, { home: two });
  const said = /--group typo/;
  await until(async () => said.test((await again.cli(["health"])).stdout));
  t.is((await again.cli(["health"])).code, 1);
  for (const command of ["status", "doctor"]) t.regex((await again.cli([command])).stdout, said);
  // What it has goes on, and nothing else comes of a group that is not named.
  const input = JSON.stringify({ token: "second" });
  succeeded(t, await one.cli(["set", "plain", "--secrets-from", "-"], { input }));
  await until(async () => (await again.cli(["get", "plain"])).stdout === "second\n");
  await addStatic(t, one, "plain-2");
  await addStatic(t, one, "page-2", "web");
  await until(async () => (await namesOf(t, again)).includes("page-2"));
  t.deepEqual(await namesOf(t, again), ["page", "page-2", "plain"]);
  t.is((await statusOf(t, again)).lag.credentials, 0);
  const { stderr } = await again.stop();
  t.regex(stderr, /not let into: typo\..*--group typo/);
  writeFileSync(file, `${before}groups = ["web"]\n`);
  const mended = await startDaemon(t, { home: two });
  await until(async () => (await namesOf(t, mended)).join() === "page,page-2");
  t.is((await mended.cli(["health"])).code, 0);
});

test("a host is removed by one that has its groups; a group that only it had goes with it", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const one = await startFirst(t, store);
  const [two, three] = await Promise.all(["two", "three"].map((name) => startHost(t, store, name)));
  await letIn(t, store, one, two!, "web");
  await letIn(t, store, one, three!, "web", "billing");
  await addStatic(t, three!, "own", "threes");
  const refused = await two!.cli(["fleet", "remove", "three"]);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /group billing.* on one/s);
  // Whoever can write to the store can't let anybody in.
  const folder = new FileStore(fileURLToPath(store.url));
  const { keyId } = await folder.hosts();
  const forged = { name: "intruder", publicKey: randomBytes(32), wrappedKey: randomBytes(92) };
  t.true(await folder.putHost(forged, { from: keyId, to: keyId }));
  const { stdout } = succeeded(t, await one.cli(["fleet", "remove", "three"]));
  t.regex(stdout, /own went, too/);
  t.regex(stdout, /intruder went, too/);
  // The others go on with the new keys.
  await addStatic(t, one, "page-2", "web");
  await until(async () => (await namesOf(t, two!)).includes("page-2"));
  t.deepEqual(
    (await statusOf(t, two!)).hosts.map(({ name }) => name),
    ["one", "two"],
  );
  // It serves what it has, and gets nothing more.
  t.is(succeeded(t, await three!.cli(["get", "own"])).stdout, "token-of-own\n");
  t.false((await namesOf(t, three!)).includes("page-2"));
});

test("a host that refreshes while another one is removed loses no rotated token", async (t) => {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const store = storeIn(temporaryFolder(t));
  const names = ["one", "two", "three"];
  const [one, two] = await startFleet(t, store, names, (first) => addRotating(t, first, reuse));
  reuse.holding = true;
  const before = reuse.arrived.length;
  const refreshing = two!.cli(["refresh", "rotating"]);
  await until(() => reuse.arrived.length > before);
  succeeded(t, await one!.cli(["fleet", "remove", "three"]));
  reuse.answer();
  succeeded(t, await refreshing);
  reuse.holding = false;
  await until(async () => (await one!.cli(["refresh", "rotating"])).code === 0);
  t.deepEqual(reuse.sentTwice, []);
  t.false(reuse.isRevoked);
});

test("a host is removed once its request has told, and its token stays with the others", async (t) => {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const store = storeIn(temporaryFolder(t));
  const names = ["one", "two"];
  const [one, two] = await startFleet(t, store, names, (first) => addRotating(t, first, reuse));
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  const tokenOf = async (host: Daemon) => (await host.cli(["get", "rotating"])).stdout;
  const newest = await tokenOf(one!);
  // It would take that instead of a refresh.
  await until(async () => (await tokenOf(two!)) === newest);
  reuse.holding = true;
  const refreshing = two!.cli(["refresh", "rotating"]);
  await until(() => reuse.waiting === 1);
  const removing = one!.cli(["fleet", "remove", "two"]);
  // It waits: the host is still there a second look later.
  await until(async () => (await statusOf(t, one!)).hosts.length === 2);
  reuse.answer();
  succeeded(t, await refreshing);
  t.notRegex(succeeded(t, await removing).stdout, /may be spent/);
  reuse.holding = false;
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  t.deepEqual(reuse.sentTwice, []);
  t.false(reuse.isRevoked);
  t.is((await statusOf(t, one!)).credentials[0]!.intentOf, undefined);
});

test("a host whose request does not end is removed with --force alone, which tells what may be lost", async (t) => {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const store = storeIn(temporaryFolder(t));
  const names = ["one", "two"];
  const [one, two] = await startFleet(t, store, names, (first) => addRotating(t, first, reuse));
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  reuse.holding = true;
  const refreshing = two!.cli(["refresh", "rotating"]);
  await until(() => reuse.waiting === 1);
  const refused = await one!.cli(["fleet", "remove", "two"]);
  t.is(refused.code, 7);
  t.regex(refused.stderr, /rotating: two may be spending its refresh token.*--force.*Nothing was/s);
  const { stdout } = succeeded(t, await one!.cli(["fleet", "remove", "two", "--force"]));
  t.regex(stdout, /rotating: its refresh token may be spent/);
  reuse.answer();
  await refreshing;
  const { hosts, credentials } = await statusOf(t, one!);
  t.deepEqual(
    hosts.map(({ name }) => name),
    ["one"],
  );
  t.like(credentials[0], { leasedBy: undefined, intentOf: "two" });
  // Without the store this host would not know any more that the token may be spent.
  const left = await one!.cli(["vault", "move", "--to", "file:"]);
  t.regex(left.stderr, /rotating: the host two was about to spend.*Nothing was changed/s);
  t.is((await statusOf(t, one!)).credentials[0]?.intentOf, "two");
  const before = reuse.arrived.length;
  await one!.cli(["get", "rotating"]);
  t.is(reuse.arrived.length, before);
  // What the issuer has given to the one that is gone stands for what a sign-in brings.
  reuse.holding = false;
  const entered = { input: JSON.stringify({ refresh_token: `refresh-${before}` }) };
  succeeded(t, await one!.cli(["set", "rotating", "--secrets-from", "-"], entered));
  succeeded(t, await one!.cli(["vault", "move", "--to", "file:"]));
});
