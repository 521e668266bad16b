/** A conformant issuer whose refresh tokens rotate, and whose reuse ends the session, through the daemon. */
import test, { type ExecutionContext } from "ava";
import { type Client, connect } from "../../src/client.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { CLIENT, startOidcProvider, USER } from "../helpers/oidc.ts";

const client = { client_id: CLIENT.id };
const client_secret = CLIENT.secret;

function clientOf(t: ExecutionContext, { socket }: Daemon): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

async function add(
  daemon: Daemon,
  grant: string,
  settings: Record<string, string | string[]>,
  secrets: Record<string, string>,
) {
  return await daemon.add("demo", { credential: { grant, settings, secrets } });
}

const renew = (client: Client) => client.request("credentials/refresh", { credential: "demo" });
const tokenOf = async (client: Client) =>
  (await client.getToken({ credential: "demo" })).accessToken;

/** What a person's sign-in elsewhere brings. */
async function signIn(token_url: string): Promise<string> {
  const basic = [CLIENT.id, CLIENT.secret].map(encodeURIComponent).join(":");
  const { name: username, password } = USER;
  const response = await fetch(token_url, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(basic)}` },
    body: new URLSearchParams({ grant_type: "password", username, password }),
  });
  return ((await response.json()) as { refresh_token: string }).refresh_token;
}

async function startSession(t: ExecutionContext, options: { singleAccessToken?: boolean } = {}) {
  const token_url = await startOidcProvider(t, "client_secret_basic", options);
  const refresh_token = await signIn(token_url);
  const daemon = await startDaemon(t);
  const settings = { token_url, ...client, origins: [new URL(token_url).origin] };
  const added = await add(daemon, "refresh_token", settings, { client_secret, refresh_token });
  t.is(added.code, 0, added.stderr);
  return { token_url, refresh_token, daemon };
}

for (const [client_auth, method] of [
  ["basic", "client_secret_basic"],
  ["post", "client_secret_post"],
] as const) {
  test(`client_credentials with ${client_auth}: each renewal brings another token`, async (t) => {
    const token_url = await startOidcProvider(t, method);
    const daemon = await startDaemon(t);
    const settings = { token_url, ...client, client_auth, scope: "read" };
    const added = await add(daemon, "client_credentials", settings, { client_secret });
    t.is(added.code, 0, added.stderr);
    const caller = clientOf(t, daemon);
    const tokens = new Set<string>();
    for (let count = 0; count < 5; count++) {
      await renew(caller);
      tokens.add(await tokenOf(caller));
    }
    t.is(tokens.size, 5);
    const { scope, expiresAt } = await caller.getToken({ credential: "demo" });
    t.is(scope, "read");
    t.true(expiresAt! > Date.now() + 500_000);
    const odd = caller.getToken({ credential: "demo", scope: "write" });
    t.like(await t.throwsAsync(odd), {
      reason: "credential_rejected",
      oauth: { error: "invalid_scope" },
    });
    t.is((await caller.getToken({ credential: "demo" })).scope, "read", "costs that scope alone");
  });
}

test("password: signs in anew each time, and a wrong password waits for a person", async (t) => {
  const token_url = await startOidcProvider(t);
  const daemon = await startDaemon(t);
  const settings = { token_url, ...client, username: USER.name };
  const wrong = await add(daemon, "password", settings, { client_secret, password: "wrong" });
  t.is(wrong.code, 5, wrong.stderr);
  const input = JSON.stringify({ password: USER.password });
  const mended = await daemon.cli(["set", "demo", "--secrets-from", "-"], { input });
  t.is(mended.code, 0, mended.stderr);
  const caller = clientOf(t, daemon);
  const first = await tokenOf(caller);
  await renew(caller);
  t.not(await tokenOf(caller), first);
});

test("refresh_token: many renewals keep the session", async (t) => {
  const { daemon } = await startSession(t);
  const caller = clientOf(t, daemon);
  const tokens = new Set<string>();
  for (let count = 0; count < 12; count++) {
    t.is((await renew(caller)).state, "ready");
    tokens.add(await tokenOf(caller));
  }
  t.is(tokens.size, 12);
});

test("refresh_token: parallel callers of several connections and scopes burn no token", async (t) => {
  const { daemon } = await startSession(t);
  const clients = Array.from({ length: 6 }, () => clientOf(t, daemon));
  for (let round = 0; round < 4; round++) {
    await Promise.all(
      clients.flatMap((each, index) => [
        renew(each),
        each.getToken({ credential: "demo", forceRefresh: true }),
        each.getToken({ credential: "demo", scope: index % 2 ? "read" : "offline_access" }),
      ]),
    );
  }
  t.is((await renew(clients[0]!)).state, "ready");
});

test("refresh_token: an issuer that keeps one access token: a dead one is neither sent nor shown", async (t) => {
  const { daemon, token_url } = await startSession(t, { singleAccessToken: true });
  const caller = clientOf(t, daemon);
  const url = new URL("/api", token_url).href;
  const send = async () => (await caller.authorizedRequest({ credential: "demo", url })).status;
  const isLive = async ({ accessToken }: { accessToken: string }) =>
    (await fetch(url, { headers: { authorization: `Bearer ${accessToken}` } })).ok;
  t.is(await send(), 200);
  t.true(await isLive(await caller.getToken({ credential: "demo", scope: "read" })));
  t.is(await send(), 200, "renewed on 401");
  const info = await caller.request("credentials/show", { credential: "demo" });
  t.is(info.tokens?.[0]?.expiresAt, null);
  t.true(await isLive(await caller.getToken({ credential: "demo", scope: "read" })));
  t.true(await isLive(await caller.getToken({ credential: "demo" })));
});

test("refresh_token: SIGKILL between renewals keeps the session", async (t) => {
  let { daemon } = await startSession(t);
  for (let round = 0; round < 5; round++) {
    const caller = clientOf(t, daemon);
    await renew(caller);
    // The refresh token that came with it was sealed before it was handed out.
    t.truthy(await tokenOf(caller));
    process.kill(daemon.pid, "SIGKILL");
    await daemon.ended;
    caller.close();
    daemon = await startDaemon(t, { home: daemon });
    t.truthy(await tokenOf(clientOf(t, daemon)));
  }
  t.is((await renew(clientOf(t, daemon))).state, "ready");
});

test("refresh_token: a session that was ended elsewhere waits for a person, who mends it with set", async (t) => {
  const { daemon, token_url, refresh_token } = await startSession(t);
  const caller = clientOf(t, daemon);
  const valid = await tokenOf(caller);
  // Somebody else spends the first refresh token again: the issuer ends the whole session.
  await fetch(token_url, {
    method: "POST",
    headers: {
      authorization: `Basic ${btoa([CLIENT.id, CLIENT.secret].map(encodeURIComponent).join(":"))}`,
    },
    body: new URLSearchParams({ grant_type: "refresh_token", refresh_token }),
  });
  const refused = await daemon.cli(["refresh", "demo"]);
  t.is(refused.code, 5, refused.stderr);
  t.regex(refused.stderr, /demo/);
  t.regex(refused.stderr, /authd set demo/);
  t.false(refused.stderr.includes(refresh_token));
  t.is((await caller.request("credentials/show", { credential: "demo" })).state, "login_required");
  t.is(await tokenOf(caller), valid, "what is still valid is served");

  const input = JSON.stringify({ refresh_token: await signIn(token_url) });
  const mended = await daemon.cli(["set", "demo", "--secrets-from", "-"], { input });
  t.is(mended.code, 0, mended.stderr);
  t.is((await renew(caller)).state, "ready");
});
