/** Hosts that a key in a file lets into a store, without a person: real daemons, and a store in a folder. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ExecutionContext } from "ava";
import { type DaemonOptions, startDaemon } from "../helpers/daemon.ts";
import { addRotating, addStatic, startFleet, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

/** A store with a credential `mine`, and a file with a key of it. */
async function setup(t: ExecutionContext) {
  const folder = temporaryFolder(t);
  const store = { url: pathToFileURL(join(folder, "store")).href };
  const [one] = await startFleet(t, store, ["one"], (daemon) => addStatic(t, daemon, "mine"));
  const { stdout } = succeeded(t, await one!.cli(["fleet", "key", "nodes"]));
  t.regex(stdout, /^authd-host-key-1\.\S{43}\n$/);
  const keyFile = join(folder, "store-key");
  writeFileSync(keyFile, stdout, { mode: 0o600 });
  /** A daemon in folders of its own, which have nothing but `[store]`. */
  const node = (more: readonly string[], env: DaemonOptions["env"] = {}) => {
    const lines = ["[store]", `url = ${JSON.stringify(store.url)}`, ...more];
    return startDaemon(t, { config: { "config.toml": `${lines.join("\n")}\n` }, env });
  };
  const keyed = (host: string) => node([`host = "${host}"`, `key_file = "${keyFile}"`]);
  const hosts = async () => {
    const said = succeeded(t, await one!.cli(["fleet", "status", "--json"]));
    const status = JSON.parse(said.stdout) as { hosts: { name: string }[] };
    return status.hosts.map(({ name }) => name).sort();
  };
  return { one: one!, store, folder, keyFile, node, keyed, hosts };
}

test("a node with the key serves what the store has, also with nothing left of it", async (t) => {
  const { one, folder, node, keyed, hosts } = await setup(t);
  const first = await keyed("node-1");
  await until(async () => (await first.cli(["get", "mine"])).stdout === "token-of-mine\n");
  // As systemd and Kubernetes hand it over, under the name of the machine.
  const env = { CREDENTIALS_DIRECTORY: folder, AUTHD_STORE_HOST: "node-2" };
  const second = await node([], env);
  await until(async () => (await second.cli(["health"])).code === 0);
  t.is((await second.cli(["get", "mine"])).stdout, "token-of-mine\n");
  t.deepEqual(await hosts(), ["key:nodes", "node-1", "node-2", "one"]);
  await first.stop();
  const anew = await keyed("node-1");
  await until(async () => (await anew.cli(["get", "mine"])).stdout === "token-of-mine\n");
  await addStatic(t, one, "later");
  await until(async () => (await anew.cli(["get", "later"])).stdout === "token-of-later\n");
  t.deepEqual(await hosts(), ["key:nodes", "node-1", "node-2", "one"]);
});

test("a node that was killed in a refresh, and comes back with nothing left, sends that token no more", async (t) => {
  const { one, keyed } = await setup(t);
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  await addRotating(t, one, reuse);
  succeeded(t, await one.cli(["get", "rotating"]));
  const first = await keyed("node-1");
  await until(async () => (await first.cli(["get", "rotating"])).code === 0);
  reuse.holding = true;
  const asked = first.cli(["refresh", "rotating"]);
  await until(() => reuse.waiting === 1);
  process.kill(first.pid, "SIGKILL");
  await asked;
  reuse.holding = false;
  const intentOf = async () => {
    const said = succeeded(t, await one.cli(["fleet", "status", "--json"]));
    const { credentials } = JSON.parse(said.stdout) as {
      credentials: { name: string; intentOf?: string }[];
    };
    return credentials.find(({ name }) => name === "rotating")?.intentOf;
  };
  const anew = await keyed("node-1");
  await until(async () => (await anew.cli(["get", "rotating"])).stdout === "token-1\n");
  // Each question of this host to the store was an occasion to take the intent for its own.
  for (let asks = 0; asks < 3; asks++) {
    succeeded(t, await anew.cli(["fleet", "drain"]));
    t.is(await intentOf(), "node-1");
  }
  t.deepEqual(reuse.arrived, ["refresh-0", "refresh-1"]);
  t.false(reuse.isRevoked);
});

test("a key that is removed takes all hosts along that have it", async (t) => {
  const { one, keyed, hosts } = await setup(t);
  const node = await keyed("node-1");
  await until(async () => (await node.cli(["get", "mine"])).code === 0);
  t.is((await one.cli(["fleet", "key", "nodes"])).code, 2, "there is one");
  const own = await node.cli(["fleet", "remove", "key:nodes"]);
  t.is(own.code, 2);
  t.regex(own.stderr, /This host has key:nodes itself.*by an invitation/);
  const back = await node.cli(["vault", "move", "--to", "file:"]);
  t.regex(back.stderr, /Hosts that have a key can't remove it: invite one without it/);
  succeeded(t, await one.cli(["fleet", "remove", "key:nodes"]));
  t.deepEqual(await hosts(), ["one"]);
  await addStatic(t, one, "later");
  const late = await keyed("node-2");
  await until(async () => /does not know this host/.test((await late.cli(["health"])).stdout));
  t.is((await late.cli(["health"])).code, 1);
  t.is((await node.cli(["get", "later"])).code, 4);
  t.deepEqual(await hosts(), ["one"]);
});

test("a name that no key can have is said in words; groups may be a list with commas", async (t) => {
  const { one } = await setup(t);
  for (const [name, said] of [
    ["Bad Name", /"Bad Name" can't be a key's name: upper case is not allowed/],
    ["n".repeat(60), /it has 60 characters, and 59 is the most/],
  ] as const) {
    const { code, stderr } = await one.cli(["fleet", "key", name]);
    t.is(code, 2);
    t.regex(stderr, said);
    t.notRegex(stderr, /\^\[a-z/);
  }
  await addStatic(t, one, "money", "billing");
  succeeded(t, await one.cli(["fleet", "key", "n".repeat(59), "--group", "default,billing"]));
  succeeded(t, await one.cli(["fleet", "invite", "--group", "default, billing"]));
  const said = succeeded(t, await one.cli(["fleet", "status", "--json"]));
  const { hosts } = JSON.parse(said.stdout) as { hosts: { name: string; groups: string[] }[] };
  const key = hosts.find(({ name }) => name.startsWith("key:nn"));
  t.deepEqual(key?.groups.sort(), ["billing", "default"]);
});

test("secrets of a host's own are not replaced; a file that holds no key is said", async (t) => {
  const { store, keyFile, keyed } = await setup(t);
  const settled = await startDaemon(t);
  const add = ["add", "mine", "--grant", "static", "--secrets-from", "-"];
  succeeded(t, await settled.cli(add, { input: '{"token":"its own"}' }));
  await settled.stop();
  const lines = ["[store]", `url = "${store.url}"`, 'host = "settled"', `key_file = "${keyFile}"`];
  writeFileSync(join(settled.configDir, "config.toml"), `${lines.join("\n")}\n`, { mode: 0o600 });
  const again = await startDaemon(t, { home: settled });
  const own = /The store has mine, and this host has secrets of its own for it/;
  await until(async () => own.test((await again.cli(["health"])).stdout));
  t.is((await again.cli(["get", "mine"])).stdout, "its own\n");

  writeFileSync(keyFile, "nothing\n", { mode: 0o600 });
  const node = await keyed("node-1");
  await until(async () => /holds no key of a store/.test((await node.cli(["health"])).stdout));
});
