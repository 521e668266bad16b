/** A host that is told again to join, or to move its credentials: what fails changes nothing. */

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { addRotating, startFleet, startHost, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

const INVITATION = `authd-invite-1.${"0".repeat(16)}.${"A".repeat(43)}`;

test("a host that joins or moves again while the store is away spends no refresh token", async (t) => {
  const folder = join(temporaryFolder(t), "store");
  const store = { url: pathToFileURL(folder).href };
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const [, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  await two!.stop();
  renameSync(folder, `${folder}.away`);
  writeFileSync(folder, "");
  const again = await startDaemon(t, { home: two! });
  const before = reuse.arrived.length;
  const joins = ["fleet", "join", store.url, "--invite", "-"];
  for (const args of [joins, ["vault", "move", "--to", store.url]]) {
    t.not((await again.cli(args, { input: INVITATION })).code, 0);
    t.is((await again.cli(["refresh", "rotating"])).code, 7);
    t.regex(succeeded(t, await again.cli(["fleet", "status"])).stdout, /^two shares /);
  }
  t.is(reuse.arrived.length, before);
  renameSync(folder, `${folder}.no-store`);
  renameSync(`${folder}.away`, folder);
  await until(async () => (await again.cli(["refresh", "rotating"])).code === 0);
  t.false(reuse.isRevoked);
});

test("a host that was shut out, and is not let in again, spends no refresh token", async (t) => {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  succeeded(t, await one!.cli(["fleet", "remove", "two"]));
  const before = reuse.arrived.length;
  const joins = ["fleet", "join", store.url, "--invite", "-"];
  for (const args of [joins, ["vault", "move", "--to", store.url]]) {
    t.is((await two!.cli(args, { input: INVITATION })).code, 2);
    t.not((await two!.cli(["refresh", "rotating"])).code, 0);
    t.regex((await two!.cli(["fleet", "status"])).stdout, /does not know this host, two/);
  }
  t.is(reuse.arrived.length, before);
  // A person is told once what to do, and of no time to try again.
  const input = JSON.stringify({ token: "new" });
  const add = ["add", "new", "--grant", "static", "--secrets-from", "-"];
  const set = ["set", "rotating", "--secrets-from", "-"];
  for (const [said, code] of [
    [await two!.cli(["refresh", "rotating"]), 7],
    [await two!.cli(add, { input }), 2],
    [await two!.cli(set, { input: JSON.stringify({ refresh_token: "other" }) }), 2],
  ] as const) {
    t.is(said.code, code, said.stderr);
    t.regex(said.stderr, /refuses this host\. .*know this host, two.*fleet join/s);
    t.notRegex(said.stderr, /try again|Next|next try|doctor/i);
  }
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  t.false(reuse.isRevoked);
});

test("a host whose store does not answer joins no other one", async (t) => {
  const folder = join(temporaryFolder(t), "store");
  writeFileSync(folder, "");
  const started = await startHost(t, { url: pathToFileURL(folder).href }, "one");
  await started.stop();
  const host = await startDaemon(t, { home: started });
  const other = pathToFileURL(join(temporaryFolder(t), "store")).href;
  const config = join(host.configDir, "config.toml");
  writeFileSync(config, `[store]\nurl = "${other}"\nhost = "one"\n`);
  const said = await host.cli(["vault", "move", "--to", other]);
  t.is(said.code, 2);
  t.regex(said.stderr, /start authd again/);
  await host.stop();
  const again = await startDaemon(t, { home: host });
  const health = async () => (await again.cli(["health"])).stdout;
  await until(async () => /does not know this host, one: it has none/.test(await health()));
  succeeded(t, await again.cli(["vault", "move", "--to", other]));
  t.regex(await health(), /it is reached/);
});

test("a host whose settings name the store no more spends nobody's refresh token", async (t) => {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const reuse = await startReuseIssuer(t);
  reuse.holding = false;
  const [one, two] = await startFleet(t, store, ["one", "two"], (first) =>
    addRotating(t, first, reuse),
  );
  const config = join(two!.configDir, "config.toml");
  const named = readFileSync(config, "utf8");
  succeeded(t, await one!.cli(["refresh", "rotating"]));
  const newest = async (host: Daemon) =>
    (await host.cli(["get", "rotating"])).stdout === `token-${reuse.arrived.length}\n`;
  await until(() => newest(two!));
  await two!.stop();
  writeFileSync(config, "");
  const alone = await startDaemon(t, { home: two! });
  const before = reuse.arrived.length;
  t.true(await newest(alone), "what it has is served");
  const refused = await alone.cli(["refresh", "rotating"]);
  t.is(refused.code, 7);
  t.regex(refused.stderr, /\[store\] is not in config\.toml any more/);
  t.is((await alone.cli(["vault", "move", "--to", "file:"])).code, 2, "nor is it its own");
  t.is(reuse.arrived.length, before);
  await alone.stop();
  writeFileSync(config, named);
  const again = await startDaemon(t, { home: two! });
  await until(async () => (await again.cli(["refresh", "rotating"])).code === 0);
  t.false(reuse.isRevoked);

  // A refresh token that a person enters is the host's own.
  await again.stop();
  await one!.stop();
  writeFileSync(config, "");
  const own = await startDaemon(t, { home: two! });
  t.is((await own.cli(["refresh", "rotating"])).code, 7);
  const input = JSON.stringify({ refresh_token: "refresh-of-a-person" });
  await own.cli(["set", "rotating", "--secrets-from", "-"], { input });
  t.is(reuse.arrived.at(-1), "refresh-of-a-person");
});
