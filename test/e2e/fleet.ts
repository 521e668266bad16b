/** Hosts that share a store in a folder: real daemons, by their command line. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { startDaemon } from "../helpers/daemon.ts";
import {
  addRotating,
  addStatic,
  letIn,
  startFleet,
  startHost,
  succeeded,
} from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

const storeIn = (folder: string) => ({ url: pathToFileURL(join(folder, "store")).href });

test("one refreshes, the others have its token; no token is sent twice", async (t) => {
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const names = ["one", "two", "three"];
  const store = storeIn(temporaryFolder(t));
  const hosts = await startFleet(t, store, names, (first) => addRotating(t, first, reuse));
  const before = reuse.arrived.length;
  const token = async () =>
    await Promise.all(
      hosts.map((host) => host.cli(["get", "rotating"]).then((said) => succeeded(t, said).stdout)),
    );
  t.deepEqual(new Set(await token()), new Set([`token-${before}\n`]));
  t.is(reuse.arrived.length, before, "what the first had was enough for all");
  // All at once: one of them sends a request, the others take what it brings.
  const refreshed = await Promise.all(hosts.map((host) => host.cli(["refresh", "rotating"])));
  for (const said of refreshed) succeeded(t, said);
  await until(async () => new Set(await token()).size === 1);
  t.deepEqual(reuse.sentTwice, []);
  t.false(reuse.isRevoked);
  t.deepEqual(
    reuse.arrived,
    reuse.arrived.map((_, at) => `refresh-${at}`),
  );
  const { stdout } = succeeded(t, await hosts[1]!.cli(["fleet", "status", "--json"]));
  const status = JSON.parse(stdout);
  t.deepEqual(status.hosts.map(({ name }: { name: string }) => name).sort(), [...names].sort());
  t.like(status.credentials[0], { name: "rotating" });
  // A drained host has what the others obtain, and obtains nothing.
  succeeded(t, await hosts[2]!.cli(["fleet", "drain"]));
  t.is((await hosts[2]!.cli(["refresh", "rotating"])).code, 7);
  succeeded(t, await hosts[0]!.cli(["refresh", "rotating"]));
  await until(async () => new Set(await token()).size === 1);
});

test("the store has ciphertext only; what one host adds, changes and removes is so on the other", async (t) => {
  const folder = temporaryFolder(t);
  const store = storeIn(folder);
  const secret = "a-token-of-a-test";
  const add = async (name: string) => [
    "add",
    name,
    "--grant",
    "static",
    "--secrets-from",
    "-",
    "--set",
    "origins=https://api.example.com",
  ];
  const [one, two] = await startFleet(t, store, ["one", "two"], async (first) =>
    succeeded(t, await first.cli(await add("first"), { input: JSON.stringify({ token: secret }) })),
  );
  t.is(succeeded(t, await two!.cli(["get", "first"])).stdout, `${secret}\n`);
  succeeded(t, await two!.cli(await add("second"), { input: JSON.stringify({ token: "second" }) }));
  await until(async () => (await one!.cli(["get", "second"])).stdout === "second\n");
  const input = JSON.stringify({ token: "third" });
  succeeded(t, await one!.cli(["set", "second", "--secrets-from", "-"], { input }));
  await until(async () => (await two!.cli(["get", "second"])).stdout === "third\n");
  succeeded(t, await two!.cli(["remove", "second"]));
  await until(async () => (await one!.cli(["get", "second"])).code === 4);
  const kept = readFileSync(join(folder, "store", "store.json"), "utf8");
  t.true(kept.includes('"first"'));
  t.false(Buffer.from(kept, "utf8").includes(secret));
});

test("secrets for other places than a host's file says are used there once a person has agreed", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const input = (token: string) => ({ input: JSON.stringify({ token }) });
  const to = (host: string) => ["--set", `origins=https://${host}.example.com`];
  const add = ["add", "fixed", "--grant", "static", "--secrets-from", "-", ...to("api")];
  const [one, two] = await startFleet(t, store, ["one", "two"], async (first) =>
    succeeded(t, await first.cli(add, input("first"))),
  );
  succeeded(t, await one!.cli(["set", "fixed", ...to("other")]));
  // The secret is the same, and the file of this host is as it was.
  const version = async (host: typeof one) => {
    const { stdout } = succeeded(t, await host!.cli(["fleet", "status", "--json"]));
    return JSON.parse(stdout).credentials[0];
  };
  await until(async () => {
    const { version: there, versionHere } = await version(two);
    return there > 1 && there === versionHere;
  });
  t.is(succeeded(t, await two!.cli(["get", "fixed"])).stdout, "first\n");
  succeeded(t, await one!.cli(["set", "fixed", "--secrets-from", "-"], input("second")));
  await until(async () => (await two!.cli(["get", "fixed"])).code === 5);
  succeeded(t, await two!.cli(["trust", "fixed", "--yes"]));
  t.is(succeeded(t, await two!.cli(["get", "fixed"])).stdout, "second\n");
  t.is(succeeded(t, await one!.cli(["get", "fixed"])).stdout, "second\n");
});

test("an invitation is good for one host; a host that is removed is shut out", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  const { stdout: invite } = succeeded(t, await one!.cli(["fleet", "invite"]));
  t.regex(invite, /^authd-invite-1\.[^\s]+\n$/);
  const three = await startHost(t, store, "three");
  const join = ["fleet", "join", store.url, "--invite", "-"];
  succeeded(t, await three.cli(join, { input: invite }));
  const four = await startHost(t, store, "four");
  t.is((await four.cli(join, { input: invite })).code, 2);
  succeeded(t, await one!.cli(["fleet", "remove", "two"]));
  // Its token is served until it ends; it gets no other.
  t.is((await two!.cli(["get", "rotating"])).code, 0);
  t.not((await two!.cli(["refresh", "rotating"])).code, 0);
  t.regex((await two!.cli(["fleet", "status"])).stdout, /does not know this host, two/);
  succeeded(t, await three.cli(["refresh", "rotating"]));
  const { stdout } = succeeded(t, await three.cli(["get", "rotating"]));
  await until(async () => (await one!.cli(["get", "rotating"])).stdout === stdout);
  const { stdout: again } = succeeded(t, await one!.cli(["fleet", "invite"]));
  succeeded(t, await two!.cli(join, { input: again }));
  t.is(succeeded(t, await two!.cli(["get", "rotating"])).stdout, stdout);
  // A new key of its vault is no end of it.
  succeeded(t, await two!.cli(["vault", "rekey", "--to", "file"]));
  await two!.stop();
  const restarted = await startDaemon(t, { home: two! });
  succeeded(t, await restarted.cli(["refresh", "rotating"]));
  t.false(reuse.isRevoked);
});

test("a host that joins keeps a credential of a name that was removed in the store", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const [one] = await startFleet(t, store, ["one"], async (first) => {
    await addStatic(t, first, "mine");
    await addStatic(t, first, "other");
  });
  succeeded(t, await one!.cli(["remove", "mine"]));
  const two = await startHost(t, store, "two");
  const add = ["add", "mine", "--grant", "static", "--set", "origins=https://api.example.com"];
  succeeded(t, await two.cli([...add, "--secrets-from", "-"], { input: '{"token":"its own"}' }));
  await letIn(t, store, one!, two);
  t.is(succeeded(t, await two.cli(["get", "other"])).stdout, "token-of-other\n");
  t.is(succeeded(t, await two.cli(["get", "mine"])).stdout, "its own\n");
  // All that the store has was asked for once more.
  await two.stop();
  const again = await startDaemon(t, { home: two });
  await until(async () => /is reached/.test((await again.cli(["health"])).stdout));
  t.is(succeeded(t, await again.cli(["get", "mine"])).stdout, "its own\n");
});

test("the credentials come back to the last host, and go into the store once more", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  t.is((await one!.cli(["vault", "move", "--to", "file:"])).code, 2);
  succeeded(t, await one!.cli(["fleet", "remove", "two"]));
  succeeded(t, await one!.cli(["vault", "move", "--to", "file:"]));
  await two!.stop();
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  t.is((await one!.cli(["fleet", "status"])).code, 2);
  succeeded(t, await one!.cli(["vault", "move", "--to", store.url]));
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  t.false(reuse.isRevoked);
});

test("a refresh token that was sent without an answer is not moved into a store", async (t) => {
  const store = storeIn(temporaryFolder(t));
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const one = await startHost(t, store, "one");
  await addRotating(t, one, reuse);
  let isLost = true;
  reuse.issuer.answer((_, { socket }) => {
    if (isLost) return void socket?.resetAndDestroy();
    return { json: { access_token: "last", token_type: "Bearer", expires_in: 3_600 } };
  });
  t.not((await one.cli(["refresh", "rotating"])).code, 0);
  const move = () => one.cli(["vault", "move", "--to", store.url]);
  // A request may be under way once more.
  await until(async () =>
    /rotating: its refresh token was sent, and no/.test((await move()).stderr),
  );
  t.is((await new FileStore(fileURLToPath(store.url)).changesSince(-1)).entries.length, 0);
  isLost = false;
  await until(async () => (await one.cli(["refresh", "rotating"])).code === 0);
  succeeded(t, await move());
});
