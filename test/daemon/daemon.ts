import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import test from "ava";
import { type Client, connect as connectClient } from "../../src/client.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { startApi } from "../helpers/api.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { until } from "../helpers/until.ts";
import { RawClient } from "../helpers/wire.ts";

const STATIC = 'grant = "static"\norigins = ["https://api.example"]\n';

/** Sends one line, and gives back all that comes until the daemon closes. */
function ask(socket: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    connect(socket)
      .on("error", reject)
      .on("data", (chunk) => {
        answer += chunk;
      })
      .on("close", () => resolve(answer))
      .end(line);
  });
}

async function clientOf(
  t: Parameters<typeof startDaemon>[0],
  daemon: { socket: string },
): Promise<Client> {
  const client = await connectClient({ socket: daemon.socket });
  t.teardown(() => client.close());
  return client;
}

test("says where it listens, answers, and leaves nothing behind", async (t) => {
  const daemon = await startDaemon(t);
  const status = JSON.parse(await ask(daemon.socket, '{"jsonrpc":"2.0","id":1,"method":"status"}'));
  t.is(status.result.socket, daemon.socket);
  t.is(status.result.pid, daemon.pid);
  t.is(status.result.vaultKey, "file");
  const { code } = await daemon.stop();
  t.is(code, 0);
  t.false(existsSync(daemon.socket));
});

test("a second daemon on the same socket says so, and harms nothing", async (t) => {
  const daemon = await startDaemon(t);
  const other = makeHome(t);
  const second = await run(t, process.execPath, [MAIN, "serve"], {
    env: { ...other.env, AUTHD_SOCKET: daemon.socket },
  });
  t.not(second.code, 0);
  t.regex(second.stderr, /answers|already/);
  t.regex(await ask(daemon.socket, '{"jsonrpc":"2.0","id":1,"method":"status"}'), /"result"/);
});

test("a second daemon on the same vault says so, and harms nothing", async (t) => {
  const daemon = await startDaemon(t);
  const second = await run(t, process.execPath, [MAIN, "serve"], {
    env: { ...daemon.env, AUTHD_SOCKET: join(daemon.folder, "t", "other.sock") },
  });
  t.not(second.code, 0);
  t.regex(second.stderr, new RegExp(String(daemon.pid)));
  t.regex(await ask(daemon.socket, '{"jsonrpc":"2.0","id":1,"method":"status"}'), /"result"/);
});

test("after SIGKILL the next daemon takes over socket, vault and credentials", async (t) => {
  const daemon = await startDaemon(t);
  const client = await clientOf(t, daemon);
  await client.request("credentials/add", {
    name: "fixed",
    grant: "static",
    secrets: { token: "practice-token" },
  });
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  const next = await startDaemon(t, { home: daemon });
  const again = await clientOf(t, next);
  t.is((await again.getToken({ credential: "fixed" })).accessToken, "practice-token");
});

test("SIGTERM finishes what is in flight", async (t) => {
  let release = () => {};
  const issuer = await startIssuer(t, (_seen, response) => {
    release = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"access_token":"late","token_type":"bearer","expires_in":60}');
    };
    return undefined;
  });
  const daemon = await startDaemon(t);
  const client = await clientOf(t, daemon);
  const added = client.request("credentials/add", {
    name: "slow",
    grant: "client_credentials",
    settings: { token_url: issuer.url, client_id: "app" },
    secrets: { client_secret: "practice-secret" },
  });
  await until(() => issuer.requests.length === 1);
  process.kill(daemon.pid, "SIGTERM");
  setTimeout(() => release(), 200);
  t.is((await added).state, "ready");
  t.is((await daemon.ended).code, 0);
});

for (const how of ["SIGTERM", "shutdown"] as const) {
  test(`${how}: what does not end in time is answered shutting_down, and then the daemon ends`, async (t) => {
    const unanswered = await startApi(t, () => {});
    const half = await startApi(t, (_, response) => void response.writeHead(200).write("half"));
    const daemon = await startDaemon(t);
    const client = await clientOf(t, daemon);
    const secrets = { token: "practice-token" };
    for (const [name, settings] of Object.entries({
      fixed: { origins: [unanswered.origin, half.origin] },
      asked: { confirm: "first" },
    })) {
      await client.request("credentials/add", { name, grant: "static", settings, secrets });
    }
    const raw = await RawClient.open(t, daemon.socket);
    // Longer than a busy machine takes for all of it.
    const shared = { credential: "fixed", timeoutMs: 170_000 };
    raw.request("stream", "authorizedRequest", { ...shared, url: half.origin, stream: true });
    await raw.take(2);
    raw.request("whole", "authorizedRequest", { ...shared, url: unanswered.origin });
    raw.request("person", "getToken", { credential: "asked" });
    await until(() => unanswered.seen.length === 1);
    const isAsked = async () =>
      (await client.request("approvals/pending", {})).approvals.length === 1;
    await until(isAsked);
    if (how === "SIGTERM") process.kill(daemon.pid, "SIGTERM");
    else await client.request("shutdown", { daemon: true });
    const answers = await raw.take(3);
    t.deepEqual(answers.map(({ id }) => id).sort(), ["person", "stream", "whole"]);
    for (const { error } of answers) t.is(error?.data.reason, "shutting_down");
    await raw.closed;
    t.is((await daemon.ended).code, 0);
  });
}

test("the shutdown method ends the daemon, if it says so, after its own answer", async (t) => {
  const daemon = await startDaemon(t);
  const shutdown = (params: string) =>
    ask(daemon.socket, `{"jsonrpc":"2.0","id":1,"method":"shutdown","params":${params}}\n`);
  for (const params of ["null", "{}", '{"daemon":null}', '{"daemon":true}']) {
    t.is((await shutdown(params)).trim(), '{"jsonrpc":"2.0","id":1,"result":{}}', params);
  }
  t.is((await daemon.ended).code, 0);
});

test("an edited file takes effect without a restart; one that moves a secret waits for trust", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  t.is((await daemon.add("labelf", api)).code, 0);
  const client = await clientOf(t, daemon);
  const file = join(daemon.configDir, "credentials", "labelf.toml");
  const before = readFileSync(file, "utf8");

  writeFileSync(file, `${before}\n`.replace("preset", 'secret_expires = "2031-01-31"\npreset'));
  t.deepEqual((await client.request("reload", {})).changed, ["labelf"]);
  const shown = await client.request("credentials/show", { credential: "labelf" });
  t.is(shown.secretExpires, "2031-01-31");
  t.is(shown.state, "ready");

  writeFileSync(file, before.replace(api.url, "http://127.0.0.1:1"));
  process.kill(daemon.pid, "SIGHUP");
  const state = async () =>
    (await client.request("credentials/show", { credential: "labelf" })).state;
  await until(async () => (await state()) === "changed");
  await t.throwsAsync(client.getToken({ credential: "labelf" }), { message: /authd trust labelf/ });
  writeFileSync(file, before);
  await client.request("reload", {});
  t.is(await state(), "idle");
  await client.getToken({ credential: "labelf" });
});

test("a broken credential file is named, and the others go on", async (t) => {
  const daemon = await startDaemon(t, {
    config: { "credentials/fine.toml": STATIC, "credentials/broken.toml": "grant = static" },
  });
  const client = await clientOf(t, daemon);
  const { credentials } = await client.request("credentials/list", {});
  t.deepEqual(
    credentials.map(({ name, state }) => [name, state]),
    [
      ["broken", "damaged"],
      ["fine", "login_required"],
    ],
  );
  await t.throwsAsync(client.getToken({ credential: "broken" }), {
    message: /broken\.toml, line 1/,
  });
  const { errors } = await client.request("reload", {});
  t.is(errors.length, 1);
  t.regex(errors[0]?.file ?? "", /broken\.toml$/);
  writeFileSync(join(daemon.configDir, "credentials", "broken.toml"), STATIC);
  t.deepEqual((await client.request("reload", {})).errors, []);
  const mended = await client.request("credentials/set", {
    credential: "broken",
    secrets: { token: "practice-token" },
  });
  t.is(mended.state, "ready");
});

test("a file that breaks while the daemon runs closes its credential until it is mended", async (t) => {
  const daemon = await startDaemon(t);
  const client = await clientOf(t, daemon);
  const secrets = { token: "practice-token" };
  await client.request("credentials/add", { name: "fixed", grant: "static", secrets });
  const file = join(daemon.configDir, "credentials", "fixed.toml");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, "nonsense");
  t.is((await client.request("reload", {})).errors.length, 1);
  await t.throwsAsync(client.getToken({ credential: "fixed" }), {
    message: /fixed\.toml, line 1, column \d+: .* Mend it, then run: authd reload/,
  });
  writeFileSync(file, before);
  await client.request("reload", {});
  t.is((await client.getToken({ credential: "fixed" })).accessToken, "practice-token");
});

test("a broken config.toml stops a start, and is told at a reload", async (t) => {
  const home = makeHome(t, { config: { "config.toml": 'vault_kee = "file"' } });
  const broken = await run(t, process.execPath, [MAIN, "serve"], { env: home.env });
  t.is(broken.code, 2);
  t.regex(broken.stderr, /vault_kee.*Did you mean "vault_key"/);
  const file = join(home.configDir, "config.toml");
  writeFileSync(file, "");
  const daemon = await startDaemon(t, { home });
  writeFileSync(file, "nonsense");
  const client = await clientOf(t, daemon);
  const { changed, errors } = await client.request("reload", {});
  t.deepEqual(changed, []);
  t.is(errors[0]?.file, file);
  writeFileSync(file, "max_connections = 77");
  const [note] = (await client.request("reload", {})).errors;
  t.is(note?.message, "max_connections: an edit takes effect when authd is restarted.");
});

test("a vault whose key is missing is locked, never replaced, and opens when the key is back", async (t) => {
  const daemon = await startDaemon(t);
  const client = await clientOf(t, daemon);
  const secrets = { token: "practice-token" };
  await client.request("credentials/add", { name: "fixed", grant: "static", secrets });
  client.close();
  await daemon.stop();
  const key = join(daemon.stateDir, "vault", "key");
  const kept = readFileSync(key);
  const { rmSync } = await import("node:fs");
  rmSync(key);
  const locked = await startDaemon(t, { home: daemon });
  const again = await clientOf(t, locked);
  await t.throwsAsync(again.getToken({ credential: "fixed" }), { message: /key/ });
  const { state } = await again.request("credentials/show", { credential: "fixed" });
  t.is(state, "locked");
  t.false(existsSync(key));
  again.close();
  await locked.stop();
  writeFileSync(key, kept, { mode: 0o600 });
  const open = await startDaemon(t, { home: daemon });
  const last = await clientOf(t, open);
  t.is((await last.getToken({ credential: "fixed" })).accessToken, "practice-token");
});

test("subscribe tells of renewals and of states, without the token", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  await daemon.add("labelf", api);
  const client = await clientOf(t, daemon);
  const heard: unknown[] = [];
  client.onNotification("token/refreshed", (params) => heard.push(params));
  client.onNotification("credential/stateChanged", (params) => heard.push(params));
  await client.request("subscribe", { credential: "labelf" });
  await client.request("credentials/refresh", { credential: "labelf" });
  await until(() => heard.length >= 3);
  t.like(heard[0], { credential: "labelf", state: "refreshing" });
  t.like(heard[1], { credential: "labelf" });
  t.like(heard[2], { credential: "labelf", state: "ready" });
  const { accessToken } = await client.getToken({ credential: "labelf" });
  t.false(JSON.stringify(heard).includes(accessToken));
  await client.request("unsubscribe", {});
});

test("an inspector is refused, by option and by signal", async (t) => {
  const home = makeHome(t);
  const refused = await run(t, process.execPath, [MAIN, "serve"], {
    env: { ...home.env, NODE_OPTIONS: "--inspect=127.0.0.1:0" },
  });
  t.is(refused.code, 2);
  const daemon = await startDaemon(t, { home });
  process.kill(daemon.pid, "SIGUSR1");
  t.regex(await ask(daemon.socket, '{"jsonrpc":"2.0","id":1,"method":"status"}'), /"result"/);
  const { stderr } = await daemon.stop();
  t.notRegex(stderr, /Debugger/);
});

test("no secret and no token stands in the log, at trace level, whatever goes wrong", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t, { env: { AUTHD_LOG_LEVEL: "trace" } });
  await daemon.add("labelf", api);
  const client = await clientOf(t, daemon);
  const { accessToken } = await client.getToken({ credential: "labelf" });
  await ask(
    daemon.socket,
    `{"jsonrpc":"2.0","id":null,"method":"credentials/add","params":{"secrets":{"client_secret":"practice-in-a-bad-frame"}}}\n`,
  );
  await ask(
    daemon.socket,
    `{"jsonrpc":"2.0","id":1,"method":"credentials/add","params":{"name":"x","grant":"nope","secrets":{"client_secret":"practice-in-a-bad-call"}}}\n`,
  );
  api.fail("html");
  await t.throwsAsync(client.getToken({ credential: "labelf", rejectedToken: accessToken }));
  const { stderr, stdout } = await daemon.stop();
  const said = stderr + stdout;
  for (const secret of [
    accessToken,
    ...Object.values(api.credential.secrets),
    "practice-in-a-bad",
  ]) {
    t.false(said.includes(secret));
  }
});

test("it is ready although a client of before hangs on a dead socket", async (t) => {
  const daemon = await startDaemon(t);
  const idle = connect(daemon.socket);
  t.teardown(() => idle.destroy());
  idle.on("error", () => {});
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  const next = start(t, process.execPath, [MAIN, "serve"], { env: daemon.env });
  await next.says("authd listens on ");
  t.pass();
});

test("with many credentials any is served while the others are still read, and who asks for all waits", async (t) => {
  const names = Array.from({ length: 1_500 }, (_, n) => `static-${n}`);
  const config = Object.fromEntries(names.map((name) => [`credentials/${name}.toml`, STATIC]));
  const daemon = await startDaemon(t, { config });
  const client = await clientOf(t, daemon);
  // The last file in the order in which they are read.
  const one = client.request("credentials/show", { credential: "static-999" });
  const all = client.request("credentials/list", {});
  t.is((await one).name, "static-999");
  t.is((await all).credentials.length, names.length);
  t.is((await client.request("status", {})).credentials, names.length);
  t.is((await daemon.stop()).code, 0);
});
