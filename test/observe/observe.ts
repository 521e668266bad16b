/** The real daemon: what it tells of itself, and whom. */

import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { DaemonEvent } from "../../src/protocol.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { start } from "../helpers/child.ts";
import { type Daemon, MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onLinux, onUnix } from "../helpers/optional.ts";
import { freePort } from "../helpers/port.ts";
import { notedRuns, noteVariables, writeProgram } from "../helpers/program.ts";
import { parseMetrics, valueIn } from "../helpers/prometheus.ts";
import { until } from "../helpers/until.ts";

function clientOf(t: ExecutionContext, { socket }: Daemon) {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

async function startApi(t: ExecutionContext) {
  const api = await startLabelf();
  t.teardown(() => api.close());
  return api;
}

onLinux(
  "200 credentials that fail at once: one note, and one run of the hook for each",
  async (t) => {
    const files = Array.from({ length: 200 }, (_, index) => [
      `credentials/c${index}.toml`,
      'grant = "static"\n',
    ]);
    const home = makeHome(t, { config: Object.fromEntries(files) });
    const [notes, runs] = [join(home.folder, "notes"), join(home.folder, "runs")];
    writeProgram(join(home.folder, "notify-send"), `printf '%s\\n' NOTE "$@" >> '${notes}'`);
    const hook = writeProgram(
      join(home.folder, "hook"),
      // In one write: four run at a time.
      `printf 'AUTHD_CREDENTIAL=%s\\nKEY=%s\\n--\\n' "$AUTHD_CREDENTIAL" "$DEPLOY_KEY" >> '${runs}'`,
    );
    writeFileSync(join(home.configDir, "config.toml"), `hook = "${hook}"\n`, { mode: 0o600 });
    const env = {
      PATH: `${home.folder}:${process.env.PATH}`,
      DISPLAY: ":7",
      DEPLOY_KEY: "do-not-pass",
    };
    const daemon = await startDaemon(t, { home, env });
    const said = () => (existsSync(notes) ? readFileSync(notes, "utf8") : "");
    // The shell makes the file before it writes.
    await until(() => said().endsWith("authd status\n") && notedRuns(runs).length >= 200);
    const told = said();
    t.regex(told, /^NOTE\n(--.*\n)+authd: 200 credentials need you\nc0, c1, c10 and 197 more\n/);
    t.is(told.split("NOTE").length, 2);
    const named = notedRuns(runs).map((run) => run.AUTHD_CREDENTIAL);
    t.is(new Set(named).size, 200);
    t.is(named.length, 200);
    t.deepEqual([...new Set(notedRuns(runs).map((run) => run.KEY))], [""]);

    const status = await clientOf(t, daemon).request("status", {});
    t.deepEqual(status.states, { login_required: 200 });
    t.is(status.problems.length, 200);
    t.like(status.problems[0], {
      credential: "c0",
      reason: "login_required",
      help: "authd set c0",
    });
    t.like(status.reporting, { notify: true, hook: { to: hook, runs: 200, failures: 0 } });
    const shown = await daemon.cli(["status"]);
    t.regex(shown.stdout, /\n200 to do:\n {2}✖ c0 \(login_required\): authd set c0/);
    t.regex(shown.stdout, /\n200 login required\n/);
    t.regex(shown.stdout, /… 180 more; --json has all\n/);

    // A restart is no reason to say it all again.
    await daemon.stop();
    const again = await startDaemon(t, { home, env });
    const { states } = await clientOf(t, again).request("status", {});
    t.deepEqual(states, { login_required: 200 });
    const { events } = await clientOf(t, again).request("events", {});
    t.deepEqual(
      events.filter(({ kind }) => kind === "problem"),
      [],
    );
    t.is(notedRuns(runs).length, 200);
  },
);

onUnix("a hook that failed is a problem, also after a restart, until it is mended", async (t) => {
  const home = makeHome(t, { config: { "credentials/bare.toml": 'grant = "static"\n' } });
  const hook = writeProgram(join(home.folder, "hook"), "exit 3");
  writeFileSync(join(home.configDir, "config.toml"), `hook = "${hook}"\nnotify = false\n`, {
    mode: 0o600,
  });
  const listed = async (daemon: Daemon) =>
    (await clientOf(t, daemon).request("status", {})).problems.filter(
      ({ reason }) => reason === "hook",
    );
  const daemon = await startDaemon(t, { home });
  await until(async () => (await listed(daemon)).length === 1);
  t.deepEqual(await listed(daemon), [
    {
      reason: "hook",
      message: `the hook ${hook} ended with exit code 3: nobody was told by it`,
      help: `mend ${hook}, or change hook in config.toml, then authd reload`,
    },
  ]);
  await daemon.stop();
  const again = await startDaemon(t, { home });
  t.is((await listed(again)).length, 1);
  t.is((await again.cli(["reload"])).code, 0);
  t.is((await listed(again)).length, 0);
});

onUnix("a key that a test finds refused, and its end, reach the hook at once", async (t) => {
  const issuer = await startIssuer(t, { status: 401 });
  const home = makeHome(t, { config: { "config.toml": "" } });
  const runs = join(home.folder, "runs");
  const hook = writeProgram(join(home.folder, "hook"), noteVariables(runs));
  const config = `notify = false\nhook = "${hook}"\n`;
  writeFileSync(join(home.configDir, "config.toml"), config, { mode: 0o600 });
  const daemon = await startDaemon(t, { home });
  const settings = { origins: [issuer.origin], "verify.url": `${issuer.origin}/me` };
  const credential = { grant: "static", settings, secrets: { token: "not-to-be-told" } };
  t.is((await daemon.add("key", { credential })).code, 0);
  t.is((await daemon.cli(["test", "key"])).code, 1);
  await until(() => notedRuns(runs).length === 1);
  issuer.answer({ status: 200 });
  t.is((await daemon.cli(["test", "key"])).code, 0);
  await until(() => notedRuns(runs).length === 2);
  const told = notedRuns(runs).map((run) => [run.AUTHD_EVENT, run.AUTHD_REASON]);
  t.deepEqual(told, [
    ["problem", "test_failed"],
    ["resolved", "test_failed"],
  ]);
});

onUnix("an address that leads nowhere reaches the hook at once", async (t) => {
  const issuer = await startIssuer(t, { status: 404, body: "nothing here" });
  const home = makeHome(t, { config: { "config.toml": "" } });
  const runs = join(home.folder, "runs");
  const hook = writeProgram(join(home.folder, "hook"), noteVariables(runs));
  const config = `notify = false\nhook = "${hook}"\n`;
  writeFileSync(join(home.configDir, "config.toml"), config, { mode: 0o600 });
  const daemon = await startDaemon(t, { home });
  const settings = { token_url: issuer.url, client_id: "app" };
  const credential = { grant: "client_credentials", settings, secrets: { client_secret: "x" } };
  t.is((await daemon.add("e5", { credential })).code, 7);
  await until(() => notedRuns(runs).length === 1);
  t.is(notedRuns(runs)[0]?.AUTHD_REASON, "wrong_address");
});

onUnix(
  "the hook runs once a problem, and once when it is over; reload takes it over",
  async (t) => {
    const api = await startApi(t);
    const daemon = await startDaemon(t, { config: { "config.toml": "" } });
    const runs = join(daemon.folder, "runs");
    const hook = writeProgram(join(daemon.folder, "hook"), noteVariables(runs));
    const config = `notify = true\nhook = ["${hook}", "x"]\nmax_connections = 99\n`;
    writeFileSync(join(daemon.configDir, "config.toml"), config);
    const client = clientOf(t, daemon);
    const { errors } = await client.request("reload", {});
    t.deepEqual(
      errors.map(({ message }) => message),
      ["max_connections: an edit takes effect when authd is restarted."],
    );
    const { reporting } = await client.request("status", {});
    t.like(reporting, { notify: true, hook: { to: hook, runs: 0 } });
    t.is((await daemon.add("labelf", api)).code, 0);
    for (let i = 0; i < 3; i++) {
      const input = JSON.stringify({ client_secret: `wrong-${i}` });
      t.is((await daemon.cli(["set", "labelf", "--secrets-from", "-"], { input })).code, 5);
    }
    await until(() => notedRuns(runs).length === 1);
    const input = JSON.stringify(api.credential.secrets);
    t.is((await daemon.cli(["set", "labelf", "--secrets-from", "-"], { input })).code, 0);
    await until(() => notedRuns(runs).length === 2);
    t.deepEqual(
      notedRuns(runs).map((run) => [run.AUTHD_EVENT, run.AUTHD_REASON, run.AUTHD_CREDENTIAL]),
      [
        ["problem", "credential_rejected", "labelf"],
        ["resolved", "credential_rejected", "labelf"],
      ],
    );
    const secrets = Object.values(api.credential.secrets);
    for (const secret of [...secrets, "wrong-"])
      t.false(readFileSync(runs, "utf8").includes(secret));
  },
);

onUnix("what waits for the hook is run by the one that takes its place", async (t) => {
  const files = Array.from({ length: 6 }, (_, index) => [
    `credentials/c${index}.toml`,
    'grant = "static"\n',
  ]);
  const home = makeHome(t, { config: Object.fromEntries(files) });
  const [begun, runs] = [join(home.folder, "begun"), join(home.folder, "runs")];
  // One write each, so that they do not mix.
  const noting = (file: string) => `echo "$AUTHD_CREDENTIAL" >> '${file}'`;
  const named = (file: string) =>
    existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  const first = writeProgram(join(home.folder, "first"), `${noting(begun)}; exec sleep 100`);
  const second = writeProgram(join(home.folder, "second"), noting(runs));
  const config = join(home.configDir, "config.toml");
  writeFileSync(config, `hook = "${first}"\n`, { mode: 0o600 });
  const daemon = await startDaemon(t, { home });
  await until(() => named(begun).length === 4);
  writeFileSync(config, `hook = "${second}"\n`);
  await clientOf(t, daemon).request("reload", {});
  await until(() => named(runs).length === 2);
  t.deepEqual([...named(begun), ...named(runs)].sort(), ["c0", "c1", "c2", "c3", "c4", "c5"]);
});

test("metrics at the endpoint and in the file reflect what really happened", async (t) => {
  const api = await startApi(t);
  const port = await freePort();
  const file = join(temporaryFolder(t), "authd.prom");
  const config = `metrics_file = ${JSON.stringify(file)}\nmetrics_listen = "127.0.0.1:${port}"\n`;
  const daemon = await startDaemon(t, { config: { "config.toml": config } });
  t.is((await daemon.add("labelf", api)).code, 0);
  const client = clientOf(t, daemon);
  await client.getToken({ credential: "labelf" });
  await client.getToken({ credential: "labelf" });
  await t.throwsAsync(() => client.getToken({ credential: "nobody" }));
  const { origin } = new URL(api.url);
  await client.authorizedRequest({ credential: "labelf", url: `${origin}/v2/models` });
  await t.throwsAsync(() =>
    client.authorizedRequest({ credential: "labelf", url: "https://example.com/" }),
  );
  api.fail("down", "token");
  await t.throwsAsync(() => client.request("credentials/refresh", { credential: "labelf" }));

  const credential = "labelf";
  const show = () => client.request("credentials/show", { credential });
  const before = await show();
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  t.regex(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  const samples = parseMetrics(text);
  const value = (name: string, labels = {}) => valueIn(samples, name, labels);
  const info = await show();
  t.is(value("authd_refreshes_total", { credential }), info.refreshCount);
  // It is tried again all the while.
  const failures = value("authd_refresh_failures_total", {
    credential,
    reason: "issuer_unavailable",
  });
  t.true(before.failureCount <= failures! && failures! <= info.failureCount);
  t.true(before.failureCount > 0);
  const expiry = value("authd_token_expiry_timestamp_seconds", { credential });
  // Told by the clock of each moment, to the millisecond.
  t.true(Math.abs(expiry! - info.expiresAt! / 1_000) < 1);
  t.is(value("authd_requests_total", { method: "getToken", outcome: "ok" }), 2);
  t.is(value("authd_requests_total", { method: "getToken", outcome: "unknown_credential" }), 1);
  const refused = { method: "authorizedRequest", outcome: "origin_not_allowed" };
  t.is(value("authd_requests_total", refused), 1);
  t.is(value("authd_authorized_request_duration_seconds_count"), 2);
  for (const secret of Object.values(api.credential.secrets)) t.false(text.includes(secret));

  await until(() => existsSync(file));
  t.notThrows(() => parseMetrics(readFileSync(file, "utf8")));
  await daemon.stop();
  t.false(existsSync(file));
});

test("ways out that do not work are told, and harm nobody", async (t) => {
  const config = `metrics_file = "/nonexistent/authd.prom"\nhook = "/nonexistent/hook"\n`;
  const daemon = await startDaemon(t, { config: { "config.toml": config } });
  const client = clientOf(t, daemon);
  await until(async () => {
    const { reporting } = await client.request("status", {});
    return reporting.metricsFile?.error !== undefined;
  });
  t.regex((await daemon.cli(["status"])).stdout, /▲ \/nonexistent\/authd\.prom: .*ENOENT/);
  const doctor = await daemon.cli(["doctor"]);
  t.regex(doctor.stdout, /✖ hook +\/nonexistent\/hook does not exist/);
  t.regex(doctor.stdout, /✖ metrics file +\/nonexistent can't be written to/);
});

onUnix("doctor: a hook that others may change, or that can't be executed", async (t) => {
  const home = makeHome(t, { config: { "config.toml": "" } });
  const hook = writeProgram(join(home.folder, "hook"), "exit 0");
  writeFileSync(join(home.configDir, "config.toml"), `hook = "${hook}"\n`);
  t.regex((await home.cli(["doctor"])).stdout, /✔ hook /);
  chmodSync(hook, 0o777);
  t.regex((await home.cli(["doctor"])).stdout, /✖ hook +others may change .*mode 0777/);
  chmodSync(hook, 0o600);
  t.regex((await home.cli(["doctor"])).stdout, /✖ hook .*can't be executed/);
});

test("show tells the whole story", async (t) => {
  const issuer = await startIssuer(t, {
    json: { access_token: "token-1", token_type: "bearer", expires_in: 3_600 },
  });
  const daemon = await startDaemon(t);
  const settings = {
    ...{ token_url: issuer.url, client_id: "app", secret_expires: "2020-01-01" },
    origins: ["https://api.example"],
  };
  const secrets = { client_secret: "not-so-secret" };
  const credential = { grant: "client_credentials", settings, secrets };
  t.is((await daemon.add("demo", { credential })).code, 0);
  const client = clientOf(t, daemon);
  await client.getToken({ credential: "demo" });
  await client.getToken({ credential: "demo", scope: "write" });
  const show = () => client.request("credentials/show", { credential: "demo" });
  const well = await show();
  t.like(well, { refreshCount: 2, failureCount: 0, failuresInRow: 0 });
  t.like(well.tokens, { length: 1, 0: { scope: "write", failuresInRow: 0 } });
  t.true(well.lastRefreshMs! >= 0);
  for (const at of [well.acquiredAt, well.lastAskedAt, well.lastRefreshAt]) {
    t.true(at! <= Date.now() && at! > Date.now() - 3_600_000);
  }
  // Long enough that it is not tried again while the test looks.
  issuer.answer({ status: 503, headers: { "retry-after": "3600" } });
  await t.throwsAsync(() => client.request("credentials/refresh", { credential: "demo" }));
  const ill = await show();
  t.like(ill, { state: "failing", failuresInRow: 1, failureCount: 1 });
  t.true(ill.retryAt! > Date.now());
  const { stdout } = await daemon.cli(["show", "demo"]);
  for (const line of [
    /^ {2}token from +20\S+ \S+ \(.* ago\)$/m,
    /^ {2}next try +20/m,
    /^ {2}last refresh +20.*, took \d+ ms$/m,
    /^ {2}refreshes +2, failed 1, the last 1 in a row$/m,
    /^ {2}last asked for +20.* ago\)$/m,
    /^ {2}also for +scope write: expires in /m,
    /^ {2}signed in as +not told: an opaque token, and no id_token$/m,
    /^ {2}secret expires +2020-01-01: it is over, make a new one$/m,
  ]) {
    t.regex(stdout, line);
  }
  const { problems } = await client.request("status", {});
  t.like(problems, { length: 1, 0: { reason: "secret_expires" } });
});

test("events: what happened, for people, for programs, and as it happens", async (t) => {
  const api = await startApi(t);
  const daemon = await startDaemon(t);
  const args = (...more: string[]) => [MAIN, "events", "--follow", ...more];
  const all = start(t, process.execPath, args(), { env: daemon.env });
  const json = start(t, process.execPath, args("--json"), { env: daemon.env });
  await Promise.all([all.says("started"), json.says('"started"')]);
  t.is((await daemon.add("labelf", api)).code, 0);
  const client = clientOf(t, daemon);
  const heard: DaemonEvent[] = [];
  client.onNotification("event", (event) => void heard.push(event));
  await client.subscribe({ credential: "labelf", events: true });
  t.is((await daemon.cli(["set", "labelf", "--set", "ttl=60"])).code, 0);
  await client.request("reload", {});
  t.is((await daemon.cli(["remove", "labelf"])).code, 0);
  await all.says("labelf removed");
  await json.says('"removed"');
  const { events, dropped } = await client.request("events", {});
  t.is(dropped, 0);
  const kinds = events.map(({ kind }) => kind);
  for (const kind of ["started", "added", "refreshed", "set", "reloaded", "removed"] as const) {
    t.true(kinds.includes(kind), kind);
  }
  t.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index),
  );
  t.like(
    events.find(({ kind }) => kind === "refreshed"),
    { credential: "labelf", first: true },
  );
  // Only those of the credential, and no other notification.
  t.true(heard.length > 0 && heard.every(({ credential }) => credential === "labelf"));

  const since = await daemon.cli(["events", "--since", "1h", "--credential", "labelf"]);
  t.regex(since.stdout, /labelf token obtained in \d+ ms, good for /);
  t.notRegex(since.stdout, /started/);
  const listed = JSON.parse((await daemon.cli(["events", "--json"])).stdout);
  t.is(listed.startedAt, (await client.request("status", {})).startedAt);
  t.is((await daemon.cli(["events", "--credential", "labelff"])).code, 4);
  t.is((await daemon.cli(["events", "--since", "yesterday"])).code, 2);

  await daemon.stop();
  t.is((await all.ended).code, 7);
  const said = (await json.ended).stdout.trimEnd().split("\n");
  const seqs = said.map((line) => (JSON.parse(line) as DaemonEvent).seq);
  t.deepEqual(
    seqs,
    seqs.map((_, index) => index),
  );
  t.is(JSON.parse(said.at(-1)!).kind, "stopping");
  const text = said.join("\n") + since.stdout + (await all.ended).stdout;
  for (const secret of Object.values(api.credential.secrets)) t.false(text.includes(secret));
  t.notRegex(text, /practice-labelf-/);
});
