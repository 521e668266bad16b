import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import test, { type ExecutionContext } from "ava";
import type { LoginService } from "../../../src/admin/login/login-service.ts";
import type { AuthdError } from "../../../src/errors.ts";
import type { LoginFlow } from "../../../src/protocol.ts";
import { agreed } from "../../helpers/admin.ts";
import { startLoginService, TestClient } from "../../helpers/login-client.ts";
import { impossible } from "../../helpers/optional.ts";
import { signInAt } from "../../helpers/person.ts";
import { freePort } from "../../helpers/port.ts";
import {
  PUBLIC_CLIENT,
  type SignInIssuer,
  startSignInIssuer,
} from "../../helpers/sign-in-issuer.ts";
import { startTestRegistry } from "../../helpers/test-registry.ts";
import { until } from "../../helpers/until.ts";

const MINUTE = 60_000;
const SIGNED_IN_BEFORE = { signedInAt: 1, account: { iss: "x", sub: "bob", name: "bob" } };

async function setup(t: ExecutionContext, record = {}) {
  const issuer = await startSignInIssuer(t);
  const engine = await startTestRegistry(t);
  const file = {
    grant: "authorization_code",
    issuer: issuer.url,
    client_id: PUBLIC_CLIENT,
    scope: "openid offline_access",
    prompt: "consent",
  };
  await engine.add("mail", file, {}, record);
  return { issuer, engine, logins: startLoginService(t, engine) };
}

async function begin(logins: LoginService, client: TestClient, how: LoginFlow = "browser") {
  return await logins.start({ credential: "mail", how }, client);
}

test("nobody signs in: the sign-in ends after five minutes, its address with it", async (t) => {
  const { engine, logins } = await setup(t);
  const client = new TestClient();
  const started = await begin(logins, client);
  t.is(started.expiresAt, engine.clock.wall() + 5 * MINUTE);
  const ended = logins.finish({ login: started.login }, client);
  engine.clock.advance(5 * MINUTE - 1);
  t.deepEqual(client.progress, ["waiting"]);
  engine.clock.advance(1);
  t.like(await t.throwsAsync<AuthdError>(ended), { reason: "timeout" });
  t.deepEqual(client.progress, ["waiting", "failed"]);
  await t.throwsAsync(signInAt(started.url ?? "", { name: "ada" }));
  t.is(engine.registry.get("mail").state(), "login_required");
});

test("a client that comes late learns how it ended, for a while", async (t) => {
  const { engine, logins } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  await signInAt(url ?? "", { name: "ada" });
  await until(() => client.progress.includes("done"));
  t.like(await logins.finish({ login }, client), { state: "ready" });
  engine.clock.advance(30_000);
  const late = await t.throwsAsync<AuthdError>(logins.finish({ login }, client));
  t.is(late?.reason, "invalid_params");
});

test("cancel ends it when nobody else waits", async (t) => {
  const { logins } = await setup(t);
  const [one, other] = [new TestClient(), new TestClient()];
  const { login } = await begin(logins, one);
  t.like(await begin(logins, other), { login, joined: true });
  const ended = logins.finish({ login }, other);
  logins.cancel({ login }, one);
  t.deepEqual(other.progress, ["waiting"]);
  logins.cancel({ login }, other);
  t.is((await t.throwsAsync<AuthdError>(ended))?.reason, "cancelled");
  t.throws(() => logins.cancel({ login: "nonsense" }, one), { message: /no such sign-in/ });
});

test("a client that is gone waits no more; the sign-in outlives it", async (t) => {
  const { logins } = await setup(t);
  const [one, other] = [new TestClient(), new TestClient()];
  const { login, url } = await begin(logins, one);
  one.close();
  t.like(await begin(logins, other), { login, joined: true });
  await signInAt(url ?? "", { name: "ada" });
  t.like(await logins.finish({ login }, other), { state: "ready" });
});

test("another way of signing in takes the place of the one that is open", async (t) => {
  const { logins } = await setup(t);
  const client = new TestClient();
  const { login } = await begin(logins, client);
  const ended = logins.finish({ login }, client);
  const second = await begin(logins, client, "paste");
  t.not(second.login, login);
  t.regex((await t.throwsAsync(ended))?.message ?? "", /in place of this one/);
});

test("another account than before: a person is asked, and their no leaves all as it was", async (t) => {
  const { logins, engine } = await setup(t, { session: SIGNED_IN_BEFORE });
  const no = new TestClient(async () => {
    throw new Error("no");
  });
  const refused = await begin(logins, no);
  const ended = logins.finish({ login: refused.login }, no);
  const page = await signInAt(refused.url ?? "", { name: "ada" });
  t.regex(page.body, /One more step/);
  await t.throwsAsync(ended, { message: "no" });
  t.deepEqual(no.questions, ["login as ada, until now bob"]);
  t.is(engine.registry.get("mail").record.session?.account?.sub, "bob");
  const yes = new TestClient();
  const { login, url } = await begin(logins, yes);
  await signInAt(url ?? "", { name: "ada" });
  t.like(await logins.finish({ login }, yes), { login: { account: "ada" } });
  t.is(yes.questions.length, 1);
});

test("a credential with rules: a person is asked before anything begins", async (t) => {
  const { logins, engine, issuer } = await setup(t);
  const file = { grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT };
  await engine.add("ruled", { ...file, confirm: "first" }, {}, { session: SIGNED_IN_BEFORE });
  issuer.requests.length = 0;
  const no = new TestClient(async () => {
    throw new Error("no");
  });
  const refusal = logins.start({ credential: "ruled" }, no);
  await t.throwsAsync(refusal, { message: "no" });
  await t.throwsAsync(logins.logout("ruled", no.consent()), { message: "no" });
  t.is(no.questions.length, 2);
  t.deepEqual(issuer.requests, []);
});

test("another host and path: the listener is at the file's own redirect URI", async (t) => {
  const { logins, engine, issuer } = await setup(t);
  const port = await freePort();
  const file = {
    ...{ grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT },
    ...{ redirect_uri: `http://localhost:${port}/back`, push_request: false },
  };
  await engine.add("fixed", file, {});
  const client = new TestClient();
  const { url, login } = await logins.start({ credential: "fixed" }, client);
  t.is(new URL(url ?? "").searchParams.get("redirect_uri"), `http://localhost:${port}/back`);
  t.is((await fetch(`http://localhost:${port}/back?code=x`)).status, 400);
  t.is((await fetch(`http://localhost:${port}/callback`)).status, 404);
  await engine.add("second", file, {});
  const taken = await t.throwsAsync<AuthdError>(logins.start({ credential: "second" }, client));
  t.regex(taken?.message ?? "", /can't listen on localhost:\d+ .*EADDRINUSE.*--paste/);
  logins.cancel({ login }, client);
});

test("a sign-in without a refresh token is used up, then a person is asked for again", async (t) => {
  const { engine, logins, issuer } = await setup(t);
  const client_id = PUBLIC_CLIENT;
  const file = { grant: "authorization_code", issuer: issuer.url, client_id, scope: "openid" };
  const credential = await engine.add("short", file, {});
  const client = new TestClient();
  const { login, url } = await logins.start({ credential: "short" }, client);
  await signInAt(url ?? "", { name: "ada" });
  t.like(await logins.finish({ login }, client), { state: "ready" });
  t.truthy(await credential.token({ timeoutMs: 1_000 }));
  engine.clock.advance(11 * MINUTE);
  const ended = { message: /Sign in again: authd login short/ };
  await t.throwsAsync(async () => await credential.token({ timeoutMs: 1_000 }), ended);
  t.is(credential.state(), "login_required");
  const again = await engine.restart();
  t.is(again.registry.add(again.settings("short", file)).state(), "login_required");
});

test("the same account again asks nobody", async (t) => {
  const { logins } = await setup(t);
  const client = new TestClient();
  for (const _ of [1, 2]) {
    const { login, url } = await begin(logins, client);
    await signInAt(url ?? "", { name: "ada" });
    await logins.finish({ login }, client);
  }
  t.deepEqual(client.questions, []);
});

/** Lets the token endpoint answer polls with these, one after the other. */
function answerPolls(issuer: SignInIssuer, ...answers: { error: string }[]) {
  issuer.override = (path) => {
    if (path !== "/token") return undefined;
    const body = answers.shift();
    return body && { status: 400, body };
  };
}

/** What a device authorization endpoint answers. */
const DEVICE = {
  ...{ device_code: "practice-device-code", user_code: "ABCD", interval: 0, expires_in: 600 },
  verification_uri: "https://login.example/device",
};

/** The status of a callback that is nobody's, sent to one address under the name of another. */
async function statusAt(hostname: string, port: string, name: string): Promise<number | undefined> {
  const [response] = (await once(
    get({ host: hostname.replace(/[[\]]/g, ""), port, headers: { host: `${name}:${port}` } }),
    "response",
  )) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** False on a machine whose loopback interface has no IPv6 address. */
async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  const listening = once(server.listen(0, "::1"), "listening").then(
    () => true,
    () => false,
  );
  const isListening = await listening;
  server.close();
  return isListening;
}

const polls = ({ requests }: SignInIssuer) => requests.filter((path) => path === "/token").length;

test("a device: asked at the issuer's pace, slower when it says so, until the code expires", async (t) => {
  const { issuer, engine, logins } = await setup(t);
  const client = new TestClient();
  answerPolls(
    issuer,
    ...["authorization_pending", "slow_down", "expired_token"].map((error) => ({ error })),
  );
  const started = await begin(logins, client, "device");
  const ended = logins.finish({ login: started.login }, client);
  engine.clock.advance(4_999);
  t.is(polls(issuer), 0);
  engine.clock.advance(1);
  await until(() => engine.clock.isDueIn(5_000));
  t.is(polls(issuer), 1);
  engine.clock.advance(5_000);
  await until(() => client.progress.includes("slow_down"));
  engine.clock.advance(9_999);
  t.is(polls(issuer), 2);
  engine.clock.advance(1);
  const error = await t.throwsAsync<AuthdError>(ended);
  t.is(error?.oauth?.error, "expired_token");
  t.is(polls(issuer), 3);
});

test("a device: the person's yes brings the tokens at the next poll", async (t) => {
  const { engine, logins, issuer } = await setup(t);
  const client = new TestClient();
  const started = await begin(logins, client, "device");
  await signInAt(started.verificationUriComplete ?? "", { name: "ada" });
  engine.clock.advance(5_000);
  t.like(await logins.finish({ login: started.login }, client), { state: "ready" });
  t.is(polls(issuer), 1);
  t.deepEqual(client.progress, ["waiting", "exchanging", "done"]);
});

test("a device: an interval of 0 is a second; polls that fail come later, and then at the pace of before", async (t) => {
  const { issuer, engine, logins } = await setup(t);
  const client = new TestClient();
  const answers = [
    { status: 503, body: { error: "temporarily_unavailable" } },
    { status: 500, body: {} },
    { status: 400, body: { error: "authorization_pending" } },
    { status: 400, body: { error: "access_denied" } },
  ];
  issuer.override = (path) => {
    if (path === "/device/auth") return { status: 200, body: DEVICE };
    return path === "/token" ? answers.shift() : undefined;
  };
  const started = await begin(logins, client, "device");
  const ended = logins.finish({ login: started.login }, client);
  for (const [index, waitMs] of [1_000, 2_000, 4_000, 1_000].entries()) {
    await until(() => engine.clock.isDueIn(waitMs));
    engine.clock.advance(waitMs - 1);
    t.is(polls(issuer), index);
    engine.clock.advance(1);
    await until(() => polls(issuer) === index + 1);
  }
  t.is((await t.throwsAsync<AuthdError>(ended))?.oauth?.error, "access_denied");
});

test("a device: a page over plain http is not shown to anybody", async (t) => {
  const { issuer, logins } = await setup(t);
  const body = { ...DEVICE, verification_uri: "http://login.example/device" };
  issuer.override = (path) => (path === "/device/auth" ? { status: 200, body } : undefined);
  const error = await t.throwsAsync<AuthdError>(begin(logins, new TestClient(), "device"));
  t.regex(error?.message ?? "", /mail: The issuer's verification_uri must be https/);
});

test("a person who was in time is signed in, however long the issuer takes then", async (t) => {
  const { engine, logins, issuer } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  let answer = () => {};
  issuer.override = async (path) => {
    if (path !== "/token") return undefined;
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return undefined;
  };
  engine.clock.advance(5 * MINUTE - 1);
  const page = signInAt(url ?? "", { name: "ada" });
  await until(() => client.progress.includes("exchanging") && issuer.requests.includes("/token"));
  engine.clock.advance(1_000);
  answer();
  t.like(await logins.finish({ login }, client), { state: "ready" });
  t.is((await page).status, 200);
});

test("a vault that is locked ends the sign-in, which has secrets in memory", async (t) => {
  const { logins } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  const ended = logins.finish({ login }, client);
  logins.onLocked();
  t.is((await t.throwsAsync<AuthdError>(ended))?.reason, "vault_locked");
  await t.throwsAsync(signInAt(url ?? "", { name: "ada" }));
});

test("localhost: the listener is at both addresses, so that no other program gets the code", async (t) => {
  const { logins, engine, issuer } = await setup(t);
  const file = {
    ...{ grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT },
    ...{ redirect_uri: "http://localhost", push_request: false },
  };
  await engine.add("local", file, {});
  const { url } = await logins.start({ credential: "local" }, new TestClient());
  const redirect = new URL(url ?? "").searchParams.get("redirect_uri") ?? "";
  t.regex(redirect, /^http:\/\/localhost:\d+$/);
  const { port } = new URL(redirect);
  const hosts = (await hasIpv6()) ? ["127.0.0.1", "[::1]"] : ["127.0.0.1"];
  for (const host of hosts) t.is(await statusAt(host, port, "localhost"), 400);
  for (const host of hosts) t.is(await statusAt(host, port, "evil.example"), 404);
});

test("[::1]: the person is sent back to it", async (t) => {
  if (!(await hasIpv6())) return impossible(t, "the loopback interface has no IPv6 address");
  const { logins, engine, issuer } = await setup(t);
  const file = {
    ...{ grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT },
    ...{ scope: "openid", redirect_uri: "http://[::1]/callback" },
  };
  await engine.add("six", file, {});
  const client = new TestClient();
  const { url, login } = await logins.start({ credential: "six" }, client);
  const page = await signInAt(url ?? "", { name: "ada" });
  t.is(new URL(page.url).hostname, "[::1]");
  return t.like(await logins.finish({ login }, client), { state: "ready" });
});

test("an issuer that takes back no access tokens has ended the session all the same", async (t) => {
  const { logins, issuer } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  await signInAt(url ?? "", { name: "ada" });
  await logins.finish({ login }, client);
  let revocations = 0;
  issuer.override = (path) => {
    const isAccess = path === "/token/revocation" && ++revocations === 2;
    return isAccess ? { status: 400, body: { error: "unsupported_token_type" } } : undefined;
  };
  const { revoked, detail } = await logins.logout("mail", agreed);
  t.true(revoked);
  t.regex(detail, /its session is revoked/);
  t.is(revocations, 2);
});

/** Runs `work` while the issuer is asked for the first time to revoke a token. */
function duringRevocation(issuer: SignInIssuer, work: () => Promise<unknown>) {
  let isFirst = true;
  issuer.override = async (path) => {
    if (path !== "/token/revocation" || !isFirst) return undefined;
    isFirst = false;
    await work();
    return { status: 200, body: {} };
  };
}

test("a person who signs in while another sign-in is being revoked stays signed in", async (t) => {
  const { engine, logins, issuer } = await setup(t);
  const client = new TestClient();
  const signIn = async () => {
    engine.clock.advance(1_000);
    const { login, url } = await begin(logins, client);
    await signInAt(url ?? "", { name: "ada" });
    await logins.finish({ login }, client);
  };
  await signIn();
  duringRevocation(issuer, signIn);
  const { detail } = await logins.logout("mail", agreed);
  t.regex(detail, /signed in again meanwhile/);
  const credential = engine.registry.get("mail");
  t.is(credential.state(), "ready");
  t.truthy(credential.record.secrets.refresh_token);
});

test("tokens that a refresh brings while others are revoked are revoked as well", async (t) => {
  const { engine, logins, issuer } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  await signInAt(url ?? "", { name: "ada" });
  await logins.finish({ login }, client);
  const credential = engine.registry.get("mail");
  const before = credential.record.secrets.refresh_token;
  duringRevocation(issuer, async () => {
    await credential.refresh(MINUTE);
    t.not(credential.record.secrets.refresh_token, before);
  });
  t.true((await logins.logout("mail", agreed)).revoked);
  const revocations = issuer.requests.filter((path) => path === "/token/revocation");
  t.is(revocations.length, 4);
  t.is(credential.state(), "login_required");
  t.is(credential.record.secrets.refresh_token, undefined);
});

test("two who sign out at once both learn that it is done", async (t) => {
  const { logins, issuer } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  await signInAt(url ?? "", { name: "ada" });
  await logins.finish({ login }, client);
  let other: Promise<{ revoked: boolean }> | undefined;
  duringRevocation(issuer, async () => {
    other = logins.logout("mail", agreed);
    await other;
  });
  t.true((await logins.logout("mail", agreed)).revoked);
  t.true((await other)?.revoked);
});

test("settings that were edited meanwhile: the sign-in is not used", async (t) => {
  const { engine, logins, issuer } = await setup(t);
  const client = new TestClient();
  const { login, url } = await begin(logins, client);
  const credential = engine.registry.get("mail");
  const edited = { grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT };
  credential.applySettings(engine.settings("mail", { ...edited, redirect_uri: "http://[::1]/x" }));
  const page = await signInAt(url ?? "", { name: "ada" });
  t.is(page.status, 400);
  const error = await t.throwsAsync<AuthdError>(logins.finish({ login }, client));
  t.is(error?.reason, "credential_changed");
  t.is(credential.record.session, undefined);
});

test("a sign-in that was begun before an edit is not joined: its outcome could not be used", async (t) => {
  const { logins, engine, issuer } = await setup(t);
  const [one, other] = [new TestClient(), new TestClient()];
  const first = await begin(logins, one);
  const ended = logins.finish({ login: first.login }, one);
  const edited = {
    ...{ grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT },
    scope: "openid",
  };
  engine.registry.get("mail").applySettings(engine.settings("mail", edited));
  const second = await begin(logins, other);
  t.is(second.joined, undefined);
  t.regex((await t.throwsAsync(ended))?.message ?? "", /in place of this one/);
  await signInAt(second.url ?? "", { name: "ada" });
  t.like(await logins.finish({ login: second.login }, other), { state: "ready" });
});

test("a sign-in of a credential that was removed is not that of one added under its name", async (t) => {
  const { logins, engine } = await setup(t);
  const elsewhere = await startSignInIssuer(t);
  const first = await begin(logins, new TestClient());
  engine.registry.get("mail").detach();
  engine.registry.delete("mail");
  const file = {
    grant: "authorization_code",
    issuer: elsewhere.url,
    client_id: PUBLIC_CLIENT,
    scope: "openid",
  };
  await engine.add("mail", file, {});
  const client = new TestClient();
  const second = await begin(logins, client);
  t.not(second.login, first.login);
  t.true(second.url?.startsWith(elsewhere.url));
  await signInAt(second.url ?? "", { name: "ada" });
  t.like(await logins.finish({ login: second.login }, client), { state: "ready" });
});

test("an issuer that names a page over plain http is not signed in at", async (t) => {
  const { logins, issuer } = await setup(t);
  issuer.metadata = { authorization_endpoint: "http://login.example/authorize" };
  const error = await t.throwsAsync<AuthdError>(begin(logins, new TestClient()));
  t.regex(error?.message ?? "", /mail: authorization_url must be https/);
});

test("one for which nobody signs in says so", async (t) => {
  const { engine, logins } = await setup(t);
  await engine.add("fixed", { grant: "static" }, { token: "x" });
  const client = new TestClient();
  const refusal = logins.start({ credential: "fixed" }, client);
  t.regex((await t.throwsAsync(refusal))?.message ?? "", /nobody signs in for the grant static/);
  await t.throwsAsync(logins.logout("fixed", agreed), { message: /nobody signs in/ });
});
