/** `authd health` and the probes at the endpoint: whether a daemon lives, whether it can serve, and why not. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { EventsResult, HealthResult, StatusResult } from "../../src/protocol.ts";
import { type Daemon, makeHome, startDaemon } from "../helpers/daemon.ts";
import { addStatic, letIn, startFleet, startHost, succeeded } from "../helpers/fleet.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { freePort } from "../helpers/port.ts";
import { parseMetrics, valueIn } from "../helpers/prometheus.ts";
import { until } from "../helpers/until.ts";

const healthOf = async (daemon: Daemon) => {
  const { code, stdout } = await daemon.cli(["health", "--json"]);
  return { code, ...(JSON.parse(stdout) as HealthResult) };
};

test("without a daemon nothing lives; with one it lives and is ready", async (t) => {
  const home = makeHome(t);
  t.is((await home.cli(["health"])).code, 3);
  t.is((await home.cli(["health", "--live"])).code, 3);
  const daemon = await startDaemon(t, { home });
  t.deepEqual(await daemon.cli(["health", "--live"]), { code: 0, stdout: "live\n", stderr: "" });
  const { code, stdout } = await daemon.cli(["health"]);
  t.is(code, 0);
  t.is(stdout, "ready\n  credentials: their files are read\n  vault: it is open\n");
});

test("a locked vault is not ready, says why, and lives", async (t) => {
  const port = await freePort();
  const daemon = await startDaemon(t, {
    env: { AUTHD_VAULT_KEY: "passphrase" },
    config: { "config.toml": `metrics_listen = "127.0.0.1:${port}"\n` },
  });
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.text()];
  };
  await until(() =>
    ask("/livez").then(
      () => true,
      () => false,
    ),
  );
  const closed = await daemon.cli(["health"]);
  t.is(closed.code, 1);
  t.regex(closed.stdout, /^not ready\n.*\n {2}vault: failed: .*authd unlock/);
  t.deepEqual(await ask("/livez"), [200, "ok\n"]);
  t.deepEqual(await ask("/readyz"), [503, "credentials ok\nvault failed\n"]);
  t.is((await daemon.cli(["health", "--live"])).code, 0);
  const input = "a long passphrase\n";
  t.is((await daemon.cli(["unlock", "--passphrase-from", "-"], { input })).code, 0);
  t.is((await daemon.cli(["health"])).code, 0);
  t.deepEqual(await ask("/readyz"), [200, "credentials ok\nvault ok\n"]);
});

test("a host is ready once it has what the store has, and stays so without the store", async (t) => {
  const folder = join(temporaryFolder(t), "store");
  const store = { url: pathToFileURL(folder).href };
  const credential = { grant: "static", settings: {}, secrets: { token: "practice" } };
  const [member] = await startFleet(t, store, ["one"], (daemon) =>
    daemon.add("mine", { credential }),
  );
  const port = await freePort();
  await member!.stop();
  const config = join(member!.configDir, "config.toml");
  writeFileSync(config, `metrics_listen = "127.0.0.1:${port}"\n${readFileSync(config, "utf8")}`);
  const host = await startDaemon(t, { home: member! });
  const figure = async (name: string) =>
    valueIn(parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()), name);
  await until(async () => /it is reached/.test((await healthOf(host)).checks.at(-1)!.message));
  t.is((await healthOf(host)).code, 0);
  t.regex((await host.cli(["doctor"])).stdout, /✔ store .*, where this host is one\n/);
  t.is(await figure("authd_store_reachable"), 1);
  t.true((await figure("authd_store_last_sync_timestamp_seconds"))! > 0);
  t.is(await figure("authd_store_pending_records"), 0);

  // It was never let in, and has nothing.
  const stranger = await startHost(t, store, "stranger");
  await stranger.stop();
  const { cli } = await startDaemon(t, { home: stranger });
  const asked = await cli(["health"]);
  t.is(asked.code, 1);
  t.regex(asked.stdout, /store: failed: /);

  writeFileSync(join(folder, "store.json"), "no state");
  await until(async () => /serves what it has/.test((await healthOf(host)).checks.at(-1)!.message));
  const away = await healthOf(host);
  t.is(away.code, 0);
  t.true(away.ready);
  const doctor = await host.cli(["doctor"]);
  t.is(doctor.code, 0, "it is no fault of this machine");
  t.regex(doctor.stdout, /⚠ store .*can't be used/);
  await until(async () => (await figure("authd_store_reachable")) === 0);
});

test("a host that the store refuses is not ready, whatever it has, and a person is told", async (t) => {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const [one, two] = await startFleet(t, store, ["one", "two"], (daemon) =>
    addStatic(t, daemon, "mine"),
  );
  await two!.stop();
  const port = await freePort();
  const config = join(two!.configDir, "config.toml");
  writeFileSync(config, `metrics_listen = "127.0.0.1:${port}"\n${readFileSync(config, "utf8")}`);
  const host = await startDaemon(t, { home: two! });
  const metrics = async () =>
    parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  const problems = async () => {
    const { daemon } = JSON.parse((await host.cli(["status", "--json"])).stdout);
    return (daemon as StatusResult).problems.filter(({ reason }) => reason === "store");
  };
  const told = async () => {
    const { events } = JSON.parse((await host.cli(["events", "--json"])).stdout) as EventsResult;
    return events.filter(({ reason }) => reason === "store").map(({ kind }) => kind);
  };
  await until(async () => /it is reached/.test((await host.cli(["health"])).stdout));
  t.deepEqual(await problems(), []);

  succeeded(t, await one!.cli(["fleet", "remove", "two"]));
  await until(async () => (await host.cli(["health"])).code === 1);
  t.regex((await host.cli(["health"])).stdout, /store: failed: .*does not know this/);
  t.is((await host.cli(["get", "mine"])).stdout, "token-of-mine\n", "it serves what it has");
  const [problem] = await problems();
  t.regex(problem!.message, /does not know this host, two/);
  t.regex(problem!.help, /authd fleet join/);
  const doctor = await host.cli(["doctor"]);
  t.is(doctor.code, 1);
  t.regex(doctor.stdout, /does not know this host, two/);
  t.is(valueIn(await metrics(), "authd_problem", { credential: "", reason: "store" }), 1);
  t.is(valueIn(await metrics(), "authd_store_reachable"), 0);
  t.deepEqual(await told(), ["problem"]);

  await letIn(t, store, one!, host);
  await until(async () => (await host.cli(["health"])).code === 0);
  t.deepEqual(await problems(), []);
  t.is(valueIn(await metrics(), "authd_store_reachable"), 1);
  t.deepEqual(await told(), ["problem", "resolved"]);
});

test("a key of the store that can't be read is not ready", async (t) => {
  const store = { url: pathToFileURL(join(temporaryFolder(t), "store")).href };
  const [host] = await startFleet(t, store, ["one"], (daemon) => addStatic(t, daemon, "mine"));
  await host!.stop();
  const config = join(host!.configDir, "config.toml");
  const key = join(host!.folder, "store-key");
  writeFileSync(config, `${readFileSync(config, "utf8")}key_file = "${key}"\n`);
  const again = await startDaemon(t, { home: host! });
  const { cli } = again;
  for (const said of [
    /store: failed: .*can't be read/,
    /store: failed: .*holds no key of a store/,
  ]) {
    await until(async () => said.test((await cli(["health"])).stdout));
    t.is((await cli(["health"])).code, 1);
    writeFileSync(key, "nothing\n", { mode: 0o600 });
  }
  t.is((await cli(["get", "mine"])).stdout, "token-of-mine\n");
  const input = `authd-invite-1.${"0".repeat(16)}.${"A".repeat(43)}`;
  const joins = await cli(["fleet", "join", store.url, "--invite", "-"], { input });
  t.is(joins.code, 2);
  t.regex(joins.stderr, /holds no key of a store/);
  t.notRegex(joins.stderr, /Next/);
  t.notRegex((await again.stop()).stderr, /"at":|\bat: /, "no trace of a mistake in a file");
});
