/** People sign in through a real daemon, at a conformant issuer. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Client, connect } from "../../src/client.ts";
import type { AuthdError } from "../../src/errors.ts";
import { start } from "../helpers/child.ts";
import { type Daemon, type DaemonOptions, MAIN, startDaemon } from "../helpers/daemon.ts";
import { signInAt } from "../helpers/person.ts";
import {
  PUBLIC_CLIENT,
  SECRET_CLIENT,
  type SignInIssuer,
  startSignInIssuer,
} from "../helpers/sign-in-issuer.ts";
import { until } from "../helpers/until.ts";

const CREDENTIAL = { credential: "mail" };
const ADA = { name: "ada" };

type Settings = Record<string, string>;

async function setup(t: ExecutionContext, more: Settings = {}, options: DaemonOptions = {}) {
  const issuer = await startSignInIssuer(t);
  const daemon = await startDaemon(t, options);
  const added = await add(daemon, issuer, more);
  t.is(added.code, 0, added.stderr);
  return { issuer, daemon, client: clientOf(t, daemon), added };
}

function clientOf(t: ExecutionContext, { socket }: Daemon): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

async function add(daemon: Daemon, issuer: SignInIssuer, more: Settings = {}) {
  const { grant = "authorization_code", ...settings } = {
    issuer: issuer.url,
    client_id: PUBLIC_CLIENT,
    scope: "openid offline_access",
    origins: issuer.url,
    ...more,
  } as Settings;
  // The issuer gives refresh tokens only where consent is asked for.
  const prompt = grant === "authorization_code" ? { prompt: "consent" } : {};
  const pairs = Object.entries({ ...prompt, ...settings }).flatMap(([key, value]) => [
    "--set",
    `${key}=${value}`,
  ]);
  return await daemon.cli(["add", "mail", "--grant", grant, ...pairs]);
}

const begin = (client: Client) => client.request("login/start", { ...CREDENTIAL, how: "browser" });
const finish = (client: Client, login: string) => client.request("login/finish", { login });

async function signIn(client: Client, person = ADA) {
  const started = await begin(client);
  const page = await signInAt(started.url ?? "", person);
  return { page, info: await finish(client, started.login) };
}

/** The callback that ends a sign-in, not sent yet. */
async function callbackOf(url: string | undefined): Promise<URL> {
  const { origin } = new URL(url ?? "");
  return new URL((await signInAt(url ?? "", ADA, origin)).url);
}

/** What the issuer says about a token: 200, or 401. */
async function statusOf(issuer: SignInIssuer, accessToken: string): Promise<number> {
  const headers = { authorization: `Bearer ${accessToken}` };
  return (await fetch(`${issuer.url}/me`, { headers })).status;
}

test("add needs no secret and names the command; the sign-in brings tokens that are renewed", async (t) => {
  const { client, added, issuer, daemon } = await setup(t);
  t.regex(added.stdout, /Next: authd login mail/);
  await t.throwsAsync(client.getToken(CREDENTIAL), { message: /authd login mail/ });
  const { page, info } = await signIn(client);
  t.is(page.status, 200);
  t.regex(page.body, /^<!doctype html>\n<html lang="en">[\s\S]*<title>You are signed in/);
  t.false(page.body.includes("<script"));
  t.regex(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  t.like(info, { state: "ready", login: { account: "ada" } });
  const first = await client.getToken(CREDENTIAL);
  t.is(await statusOf(issuer, first.accessToken), 200);
  await client.request("credentials/refresh", CREDENTIAL);
  t.not(first.accessToken, (await client.getToken(CREDENTIAL)).accessToken);
  const { stdout } = await daemon.cli(["audit", "--json"]);
  t.regex(stdout, /"login\/start"/);
  t.regex(stdout, /"signed_in"/);
});

test("a restart reads no metadata again: a cold token costs one request", async (t) => {
  const { client, issuer, daemon } = await setup(t);
  await signIn(client);
  await daemon.stop();
  issuer.requests.length = 0;
  const again = clientOf(t, await startDaemon(t, { home: daemon }));
  await again.getToken({ ...CREDENTIAL, forceRefresh: true });
  t.deepEqual(issuer.requests, ["/token"]);
});

test("a person who refuses ends the sign-in; the session of before stays", async (t) => {
  const { client } = await setup(t);
  await signIn(client);
  const before = await client.getToken(CREDENTIAL);
  const { url, login } = await begin(client);
  const refusal = finish(client, login);
  const page = await signInAt(url ?? "", { ...ADA, refuses: true });
  t.is(page.status, 400);
  t.regex(page.body, /The sign-in failed[\s\S]*access_denied/);
  const error = await t.throwsAsync<AuthdError>(refusal);
  t.like(error, { reason: "login_required", oauth: { error: "access_denied" } });
  t.deepEqual(await client.getToken(CREDENTIAL), before);
  await client.request("credentials/refresh", CREDENTIAL);
});

test("somebody else's callback changes nothing, whatever its state", async (t) => {
  const { client } = await setup(t);
  const { url, login } = await begin(client);
  const right = await callbackOf(url);
  for (const state of ["", "wrong", undefined]) {
    const wrong = new URL(right);
    if (state === undefined) wrong.searchParams.delete("state");
    else wrong.searchParams.set("state", state);
    const response = await fetch(wrong);
    t.is(response.status, 400);
    t.regex(await response.text(), /not the answer to your sign-in/);
  }
  const denial = new URL(right.origin + right.pathname);
  denial.search = "error=access_denied";
  t.is((await fetch(denial)).status, 400);
  t.is((await fetch(new URL("/elsewhere", right))).status, 404);
  t.is((await fetch(right, { method: "POST" })).status, 404);
  t.is((await fetch(right)).status, 200);
  t.like(await finish(client, login), { state: "ready" });
});

test("a second callback is refused while the first is exchanged", async (t) => {
  const { client, issuer } = await setup(t);
  const { url, login } = await begin(client);
  const callback = await callbackOf(url);
  let goOn = () => {};
  const held = new Promise<undefined>((resolve) => {
    goOn = () => resolve(undefined);
  });
  issuer.override = (path) => (path === "/token" ? held : undefined);
  const first = fetch(callback);
  await until(() => issuer.requests.includes("/token"));
  const second = await fetch(callback);
  t.is(second.status, 409);
  t.regex(await second.text(), /answered already/);
  goOn();
  t.is((await first).status, 200);
  t.like(await finish(client, login), { state: "ready" });
});

test("an answer of another issuer is refused, and not exchanged", async (t) => {
  const { client, issuer } = await setup(t);
  const { url, login } = await begin(client);
  const callback = await callbackOf(url);
  callback.searchParams.set("iss", "https://evil.example");
  const response = await fetch(callback);
  t.is(response.status, 400);
  t.regex(await response.text(), /another issuer/);
  t.false(issuer.requests.includes("/token"));
  await t.throwsAsync(finish(client, login), { message: /another issuer/ });
});

test("an ID token with another nonce is refused", async (t) => {
  const { client } = await setup(t, { push_request: "false" });
  const { url, login } = await begin(client);
  const altered = new URL(url ?? "");
  altered.searchParams.set("nonce", "another");
  const page = await signInAt(altered.href, ADA);
  t.is(page.status, 400);
  await t.throwsAsync(finish(client, login), { message: /belongs to another sign-in \(nonce\)/ });
});

test("an ID token of keys that the issuer does not publish is refused; new keys are read", async (t) => {
  const { client, issuer } = await setup(t);
  issuer.override = (path) => (path === "/jwks" ? { status: 200, body: { keys: [] } } : undefined);
  const { url, login } = await begin(client);
  t.is((await signInAt(url ?? "", ADA)).status, 400);
  await t.throwsAsync(finish(client, login), { message: /ID token is not valid/ });
  issuer.override = undefined;
  await issuer.rotateKeys();
  t.like((await signIn(client)).info, { state: "ready" });
});

test("a daemon that is killed in the middle of a sign-in keeps the session of before", async (t) => {
  const { client, daemon } = await setup(t);
  await signIn(client);
  const { url } = await begin(client);
  const callback = await callbackOf(url);
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  await t.throwsAsync(fetch(callback));
  const again = clientOf(t, await startDaemon(t, { home: daemon }));
  t.like(await again.request("credentials/refresh", CREDENTIAL), { state: "ready" });
});

test("ten who wait share one sign-in", async (t) => {
  const { daemon, client } = await setup(t);
  const clients = Array.from({ length: 10 }, () => clientOf(t, daemon));
  const all = await Promise.all(clients.map(begin));
  t.is(new Set(all.map(({ login }) => login)).size, 1);
  t.is(all.filter(({ joined }) => !joined).length, 1);
  const waiting = clients.map((each, index) => finish(each, all[index]!.login));
  await signInAt(all[0]?.url ?? "", ADA);
  for (const info of await Promise.all(waiting)) t.is(info.state, "ready");
  t.is((await client.request("credentials/list", {})).credentials.length, 1);
});

/** A program that notes the address that it is to open, in place of a desktop's. */
function fakeDesktop(daemon: { folder: string }) {
  const opened = join(daemon.folder, "opened");
  writeFileSync(opened, "");
  const program = join(daemon.folder, "xdg-open");
  writeFileSync(program, `#!/bin/sh\necho "$1" >>'${opened}'\n`);
  chmodSync(program, 0o755);
  return { tabs: () => readFileSync(opened, "utf8").split("\n").filter(Boolean) };
}

if (process.platform === "linux") {
  test("interactive: ten programs open one tab, and get the token of its sign-in", async (t) => {
    const { daemon } = await setup(t);
    await daemon.stop();
    const desktop = fakeDesktop(daemon);
    const env = { DISPLAY: ":99", PATH: `${daemon.folder}:${process.env.PATH}` };
    const again = await startDaemon(t, { home: daemon, env });
    const clients = Array.from({ length: 10 }, () => clientOf(t, again));
    await t.throwsAsync(clients[0]!.getToken(CREDENTIAL), { message: /authd login mail/ });
    t.is(desktop.tabs().length, 0);
    const params = { ...CREDENTIAL, interactive: true, timeoutMs: 60_000 };
    const waiting = clients.map((client) => client.request("getToken", params));
    await until(() => desktop.tabs().length > 0);
    await signInAt(desktop.tabs()[0] ?? "", ADA);
    const tokens = await Promise.all(waiting);
    t.is(new Set(tokens.map(({ accessToken }) => accessToken)).size, 1);
    t.is(desktop.tabs().length, 1);
  });

  test("interactive: after a refusal no program opens another tab; a person may", async (t) => {
    const { daemon } = await setup(t);
    await daemon.stop();
    const desktop = fakeDesktop(daemon);
    const env = { DISPLAY: ":99", PATH: `${daemon.folder}:${process.env.PATH}` };
    const client = clientOf(t, await startDaemon(t, { home: daemon, env }));
    const params = { ...CREDENTIAL, interactive: true, timeoutMs: 60_000 };
    const waiting = client.request("getToken", params);
    await until(() => desktop.tabs().length > 0);
    await signInAt(desktop.tabs()[0] ?? "", { ...ADA, refuses: true });
    await t.throwsAsync(waiting, { message: /access_denied/ });
    await t.throwsAsync(client.request("getToken", params), { message: /authd login mail/ });
    t.is(desktop.tabs().length, 1);
    t.like((await signIn(client)).info, { state: "ready" });
  });
}

test("without a screen interactive is the same as without it", async (t) => {
  const { client } = await setup(t);
  const params = { ...CREDENTIAL, interactive: true };
  const error = await t.throwsAsync<AuthdError>(client.request("getToken", params));
  t.is(error?.reason, "login_required");
});

test("the command: the link alone on a line, the callback ends it", async (t) => {
  const { daemon } = await setup(t);
  const command = start(t, process.execPath, [MAIN, "login", "mail", "--browser", "--no-open"], {
    env: daemon.env,
  });
  const said = await command.says("\n");
  const link = said.split("\n")[0] ?? "";
  t.true(URL.canParse(link));
  await signInAt(link, ADA);
  const { code, stdout } = await command.ended;
  t.is(code, 0);
  t.regex(stdout, /mail is signed in as ada: ● ready/);
});

test("the command: exit code 5 after a refusal, 7 when the time is over", async (t) => {
  const { daemon } = await setup(t);
  const late = await daemon.cli(["login", "mail", "--browser", "--no-open", "--timeout", "0.2"]);
  t.is(late.code, 7);
  t.regex(late.stderr, /nobody signed in within 0.2 s/);
  const command = start(t, process.execPath, [MAIN, "login", "mail", "--no-open"], {
    env: daemon.env,
  });
  const link = (await command.says("\n")).split("\n")[0] ?? "";
  await signInAt(link, { ...ADA, refuses: true });
  t.is((await command.ended).code, 5);
  const two = await daemon.cli(["login", "mail", "--paste", "--device"]);
  t.is(two.code, 2);
});

test("the command: Ctrl-C ends the sign-in, which nobody else waits for", async (t) => {
  const { daemon, client } = await setup(t);
  const command = start(t, process.execPath, [MAIN, "login", "mail", "--browser", "--no-open"], {
    env: daemon.env,
  });
  await command.says("\n");
  command.child.kill("SIGINT");
  const { code, stderr } = await command.ended;
  t.is(code, 1);
  t.regex(stderr, /mail: stopped/);
  t.is((await begin(client)).joined, undefined);
});

test("the command: --paste reads one line, and refuses an address of another sign-in", async (t) => {
  const { daemon } = await setup(t);
  const paste = () =>
    start(t, process.execPath, [MAIN, "login", "mail", "--paste"], {
      env: daemon.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
  const command = paste();
  const link = (await command.says("\n")).split("\n")[0] ?? "";
  const callback = await callbackOf(link);
  await t.throwsAsync(fetch(callback));
  command.child.stdin?.end(`${callback}\n`);
  const { code, stdout } = await command.ended;
  t.is(code, 0);
  t.regex(stdout, /mail is signed in as ada/);
  const other = paste();
  await other.says("\n");
  other.child.stdin?.end(`${callback}\n`);
  const refused = await other.ended;
  t.is(refused.code, 2);
  t.regex(refused.stderr, /not used/);
  t.false(refused.stderr.includes(callback.searchParams.get("code") ?? "code"));
});

test("a device: the person enters the code elsewhere, while the daemon asks", async (t) => {
  const { daemon, client } = await setup(t, { grant: "device_code" });
  const started = await client.request("login/start", CREDENTIAL);
  t.like(started, { how: "device" });
  t.truthy(started.userCode);
  const page = await signInAt(started.verificationUriComplete ?? "", ADA);
  t.is(page.status, 200);
  t.like(await finish(client, started.login), { state: "ready", login: { account: "ada" } });
  await client.request("credentials/refresh", CREDENTIAL);
  const { stdout } = await daemon.cli(["show", "mail"]);
  t.regex(stdout, /sign-in +ada, /);
});

test("a device: a refusal ends it", async (t) => {
  const { client } = await setup(t);
  const started = await client.request("login/start", { ...CREDENTIAL, how: "device" });
  await signInAt(started.verificationUriComplete ?? "", { ...ADA, refuses: true });
  const error = await t.throwsAsync<AuthdError>(finish(client, started.login));
  t.is(error?.oauth?.error, "access_denied");
});

test("logout revokes the tokens at the issuer and forgets them", async (t) => {
  const { client, issuer, daemon } = await setup(t);
  await signIn(client);
  const { accessToken } = await client.getToken(CREDENTIAL);
  const { code, stdout } = await daemon.cli(["logout", "mail"]);
  t.is(code, 0);
  t.regex(stdout, /mail is signed out: its tokens are revoked/);
  t.is(await statusOf(issuer, accessToken), 401);
  await t.throwsAsync(client.getToken(CREDENTIAL), { message: /authd login mail/ });
  t.is((await daemon.cli(["logout", "mail"])).code, 2);
  t.like((await signIn(client)).info, { state: "ready" });
});

test("logout forgets the tokens also if the issuer can't be reached", async (t) => {
  const { client, issuer } = await setup(t);
  await signIn(client);
  issuer.override = () => ({ status: 503, body: {} });
  const result = await client.request("credentials/logout", CREDENTIAL);
  t.false(result.revoked);
  t.regex(result.detail, /could not be revoked/);
  await t.throwsAsync(client.getToken(CREDENTIAL), { message: /authd login mail/ });
});

test("an issuer that names another origin is not used until a person trusts it", async (t) => {
  const { client, issuer, daemon } = await setup(t);
  await signIn(client);
  const other = await startSignInIssuer(t);
  issuer.metadata = { token_endpoint: `${other.url}/token` };
  const error = await t.throwsAsync<AuthdError>(begin(client));
  t.is(error?.reason, "credential_changed");
  t.regex(error?.message ?? "", /token_endpoint.*authd trust mail/);
  await t.throwsAsync(client.getToken(CREDENTIAL), { message: /authd trust mail/ });
  const { differences } = await client.request("credentials/show", CREDENTIAL);
  t.deepEqual(
    differences?.map(({ key, is }) => [key, is]),
    [["token_endpoint", `${other.url}/token`]],
  );
  t.deepEqual(other.requests, []);
  t.is((await daemon.cli(["trust", "mail", "--yes"])).code, 0);
  await t.throwsAsync(client.request("credentials/refresh", CREDENTIAL));
  t.deepEqual(other.requests, ["/token"]);
});

test("requests are pushed where the issuer wants it", async (t) => {
  const issuer = await startSignInIssuer(t, { requiresPush: true });
  const daemon = await startDaemon(t);
  t.is((await add(daemon, issuer)).code, 0);
  const client = clientOf(t, daemon);
  const { url, login } = await begin(client);
  t.deepEqual([...new URL(url ?? "").searchParams.keys()].sort(), ["client_id", "request_uri"]);
  const page = await signInAt(url ?? "", ADA);
  t.is(page.status, 200);
  t.like(await finish(client, login), { state: "ready" });
});

test("requests are signed where the issuer insists, with the client's secret", async (t) => {
  const { daemon, issuer, client } = await setup(t, {
    client_id: SECRET_CLIENT.id,
    push_request: "false",
  });
  issuer.metadata = { require_signed_request_object: true };
  const error = await t.throwsAsync<AuthdError>(begin(client));
  t.regex(error?.message ?? "", /wants signed requests: enter client_secret/);
  const set = await daemon.cli(["set", "mail", "--secret", "client_secret=-"], {
    input: SECRET_CLIENT.secret,
  });
  t.is(set.code, 0, set.stderr);
  const { url } = await begin(client);
  t.truthy(new URL(url ?? "").searchParams.get("request"));
  const page = await signInAt(url ?? "", ADA);
  t.is(page.status, 200, page.body);
});

test("nothing of a sign-in is in the log, the audit log, or what commands say", async (t) => {
  const { client, daemon, issuer } = await setup(
    t,
    { push_request: "false" },
    {
      env: { AUTHD_LOG_LEVEL: "trace" },
    },
  );
  const { url, login } = await begin(client);
  const callback = await callbackOf(url);
  await fetch(callback);
  await finish(client, login);
  const { accessToken } = await client.getToken(CREDENTIAL);
  await client.request("credentials/refresh", CREDENTIAL);
  issuer.override = () => ({ status: 400, body: { error: "invalid_request" } });
  await client.request("credentials/logout", CREDENTIAL);
  const commands = [
    ["show", "mail", "--json"],
    ["events", "--json"],
    ["audit", "--json"],
    ["doctor"],
  ];
  const said = await Promise.all(commands.map((args) => daemon.cli(args)));
  const { stdout, stderr } = await daemon.stop();
  const all = [...said.flatMap((each) => [each.stdout, each.stderr]), stdout, stderr].join("\n");
  const challenge = new URL(url ?? "").searchParams.get("code_challenge") ?? "";
  const code = callback.searchParams.get("code") ?? "";
  for (const secret of [accessToken, code, challenge]) {
    t.true(secret.length > 20);
    t.false(all.includes(secret));
  }
  t.regex(all, /signed_in/);
});

test("client_credentials with issuer alone", async (t) => {
  const issuer = await startSignInIssuer(t);
  const daemon = await startDaemon(t);
  const settings = { issuer: issuer.url, client_id: SECRET_CLIENT.id };
  const secrets = { client_secret: SECRET_CLIENT.secret };
  const credential = { grant: "client_credentials", settings, secrets };
  const added = await daemon.add("machine", { credential });
  t.is(added.code, 0, added.stderr);
});
