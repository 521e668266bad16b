import test, { type ExecutionContext } from "ava";
import type { Consent } from "../../../src/admin/consent.ts";
import { type LoginClient, LoginService } from "../../../src/admin/login/login-service.ts";
import type { AuthdError } from "../../../src/errors.ts";
import type { LoginFlow, Notifications } from "../../../src/protocol.ts";
import { adminOf, agreed } from "../../helpers/admin.ts";
import { signInAt } from "../../helpers/person.ts";
import { freePort } from "../../helpers/port.ts";
import {
  PUBLIC_CLIENT,
  type SignInIssuer,
  startSignInIssuer,
} from "../../helpers/sign-in-issuer.ts";
import { startTestRegistry, type TestRegistry } from "../../helpers/test-registry.ts";
import { until } from "../../helpers/until.ts";

const MINUTE = 60_000;
const SIGNED_IN_BEFORE = { signedInAt: 1, account: { iss: "x", sub: "bob", name: "bob" } };

type Progress = Notifications["login/progress"];

/** A client that notes its progress, and whose person answers questions in one way. */
class TestClient implements LoginClient {
  readonly progress: Progress["state"][] = [];
  readonly questions: string[] = [];
  readonly signal = new AbortController().signal;
  readonly #answer: Consent;
  readonly #closers: (() => void)[] = [];
  readonly connection = {
    closed: false,
    onClose: (listener: () => void) => void this.#closers.push(listener),
    leave: () => {},
  };

  constructor(answer: Consent = agreed) {
    this.#answer = answer;
  }

  consent(): Consent {
    return async (restricted, what = "") => {
      this.questions.push(what);
      await this.#answer(restricted, what);
    };
  }

  async notify(_: "login/progress", { state }: Progress): Promise<void> {
    this.progress.push(state);
  }

  close(): void {
    for (const listener of this.#closers) listener();
  }
}

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
  return { issuer, engine, logins: serviceOf(t, engine) };
}

function serviceOf(t: ExecutionContext, engine: TestRegistry): LoginService {
  const { registry, clock, time, events } = engine;
  const { admin } = adminOf(engine);
  const service = new LoginService({
    ...{ registry, clock, time, changes: admin.changes, env: {} },
    onEvent: (event) => void events.push(event),
  });
  t.teardown(() => service.close());
  return service;
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
