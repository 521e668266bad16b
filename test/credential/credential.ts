import test, { type ExecutionContext } from "ava";
import type { Credential } from "../../src/credential/credential.ts";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { AuthdError } from "../../src/errors.ts";
import { jwt } from "../helpers/acquire.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import {
  type Issuer,
  type RecordedRequest,
  type StubResponse,
  startIssuer,
} from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Gives a new token with each answer. */
function counting(expiresIn = 3600): (seen: RecordedRequest) => StubResponse {
  let count = 0;
  return () => ({
    json: { access_token: `token-${++count}`, token_type: "bearer", expires_in: expiresIn },
  });
}

interface Stage {
  engine: TestRegistry;
  issuer: Issuer;
  credential: Credential;
}

async function setup(
  t: ExecutionContext,
  answering: Parameters<typeof startIssuer>[1] = counting(),
  file: Record<string, unknown> = {},
): Promise<Stage> {
  const issuer = await startIssuer(t, answering);
  const engine = await startTestRegistry(t);
  const credential = await engine.add(
    "demo",
    { grant: "client_credentials", token_url: issuer.url, client_id: "app", ...file },
    { client_secret: "not-so-secret" },
  );
  return { engine, issuer, credential };
}

const text = async (token: IssuedToken | Promise<IssuedToken>) => (await token).accessToken;

async function failure(work: () => unknown): Promise<AuthdError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AuthdError) return error;
    throw error;
  }
  throw new Error("did not fail");
}

test("a cached token is answered at once, without a promise", async (t) => {
  const { credential, issuer } = await setup(t);
  t.is(await text(credential.token({})), "token-1");
  const again = credential.token({});
  t.false(again instanceof Promise);
  t.is((again as IssuedToken).accessToken, "token-1");
  t.is(issuer.requests.length, 1);
});

test("a hundred callers share one request", async (t) => {
  const { credential, issuer } = await setup(t);
  const tokens = await Promise.all(Array.from({ length: 100 }, () => text(credential.token({}))));
  t.deepEqual(new Set(tokens), new Set(["token-1"]));
  t.is(issuer.requests.length, 1);
});

test("a token in use is renewed before it expires, without anybody waiting", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  engine.clock.advance(44 * MINUTE);
  t.is(issuer.requests.length, 1);
  engine.clock.advance(2 * MINUTE);
  t.is((credential.token({}) as IssuedToken).accessToken, "token-1");
  await until(() => (credential.token({}) as IssuedToken).accessToken === "token-2");
  t.is(issuer.requests.length, 2);
});

test("a token that nobody asked for in 12 hours is left to expire, and obtained anew when asked for", async (t) => {
  const { credential, engine, issuer } = await setup(t, counting(86_400));
  await credential.token({});
  engine.clock.advance(23.5 * HOUR);
  t.is(issuer.requests.length, 1);
  engine.clock.advance(2 * HOUR);
  t.is(credential.state(), "idle");
  t.is(await text(credential.token({})), "token-2");
});

test('warm = "always" obtains a token unasked, and keeps it', async (t) => {
  const { credential, engine, issuer } = await setup(t, counting(86_400), { warm: "always" });
  engine.registry.tick();
  await until(() => credential.state() === "ready");
  engine.clock.advance(23.5 * HOUR);
  await until(() => issuer.requests.length === 2);
  t.pass();
});

test("one timer serves all credentials", async (t) => {
  const { engine, issuer } = await setup(t);
  for (let i = 0; i < 50; i++) {
    const file = { grant: "client_credentials", token_url: issuer.url, client_id: `app-${i}` };
    const credential = await engine.add(`demo-${i}`, file, { client_secret: "x" });
    await credential.token({});
  }
  t.is(engine.clock.pending, 1);
});

test("minValidity: a caller that wants more than is left waits for a renewal", async (t) => {
  const { credential, engine } = await setup(t, counting(600));
  await credential.token({});
  engine.clock.advance(4 * MINUTE);
  t.is(await text(credential.token({ minValidity: 5 * MINUTE })), "token-1");
  engine.clock.advance(2 * MINUTE);
  t.is(await text(credential.token({ minValidity: 5 * MINUTE })), "token-2");
});

test("if the renewal stalls, a caller gets the token that is still valid after 5 s", async (t) => {
  const { credential, engine, issuer } = await setup(t, counting(600));
  await credential.token({});
  issuer.answer(() => undefined);
  engine.clock.advance(6 * MINUTE);
  const asked = credential.token({ minValidity: 5 * MINUTE }) as Promise<IssuedToken>;
  await until(() => issuer.requests.length === 2);
  engine.clock.advance(5 * SECOND);
  t.is(await text(asked), "token-1");
});

test("a failure with a token still valid serves that token, and tries again in the background", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  issuer.answer({ status: 500, body: "down" });
  engine.clock.advance(45 * MINUTE);
  await until(() => credential.state() === "failing");
  t.is(await text(credential.token({})), "token-1");
  t.is(credential.info().lastError?.reason, "issuer_unavailable");
  issuer.answer(counting());
  engine.clock.advance(SECOND);
  await until(() => credential.state() === "ready");
  t.is(credential.info().failureCount, 1);
});

test("without a valid token the answer in back-off comes at once, with retryAfterMs", async (t) => {
  const { credential, engine, issuer } = await setup(t, { status: 500, body: "down" });
  await failure(() => credential.token({}));
  const error = await failure(() => credential.token({}));
  t.is(error.reason, "issuer_unavailable");
  t.true((error.retryAfterMs ?? 0) >= SECOND);
  t.is(issuer.requests.length, 1);
  t.is(engine.clock.pending, 1);
});

test("a caller brings the next try forward, but not under 5 s after the last", async (t) => {
  const { credential, engine, issuer } = await setup(t, { status: 500, body: "down" });
  engine.clock.chance = 0.999;
  for (let tries = 1; tries <= 4; tries++) {
    await failure(() => credential.token({}));
    await until(() => credential.state() === "failing");
    // Past the back-off of the first few, so that the next one is longer.
    if (tries < 4) engine.clock.advance(4 * SECOND);
    await until(() => credential.state() === "failing");
  }
  const sent = issuer.requests.length;
  await failure(() => credential.token({}));
  engine.clock.advance(4 * SECOND);
  await failure(() => credential.token({}));
  t.is(issuer.requests.length, sent);
  engine.clock.advance(2 * SECOND);
  await until(() => issuer.requests.length === sent + 1);
  t.pass();
});

test("Retry-After is never undercut, whoever asks", async (t) => {
  const busy = { status: 429, headers: { "retry-after": "120" }, body: "slow down" };
  const { credential, engine, issuer } = await setup(t, busy);
  await failure(() => credential.token({}));
  const error = await failure(() => credential.token({}));
  t.true((error.retryAfterMs ?? 0) > 110 * SECOND);
  engine.clock.advance(110 * SECOND);
  await failure(() => credential.token({}));
  t.is(issuer.requests.length, 1);
  engine.clock.advance(11 * SECOND);
  await until(() => issuer.requests.length === 2);
});

test("a firewall's 403 backs off for 5 minutes, and callers do not bring it forward", async (t) => {
  const { credential, engine, issuer } = await setup(t, { status: 403, body: "<html>blocked" });
  await failure(() => credential.token({}));
  engine.clock.advance(4 * MINUTE);
  const error = await failure(() => credential.token({}));
  t.is(error.reason, "issuer_unavailable");
  t.is(issuer.requests.length, 1);
  engine.clock.advance(2 * MINUTE);
  await until(() => issuer.requests.length === 2);
});

test("invalid_client stops every further try until a person acts", async (t) => {
  const refused = { status: 401, json: { error: "invalid_client" } };
  const { credential, engine, issuer } = await setup(t, refused);
  const error = await failure(() => credential.token({}));
  t.is(error.reason, "credential_rejected");
  t.is(error.oauth?.error, "invalid_client");
  t.is(credential.state(), "rejected");
  engine.clock.advance(2 * DAY);
  await failure(() => credential.token({}));
  t.is(
    (await failure(() => credential.token({ forceRefresh: true }))).reason,
    "credential_rejected",
  );
  t.is(issuer.requests.length, 1);
  issuer.answer(counting());
  await credential.refresh(5 * SECOND);
  t.is(credential.state(), "ready");
});

test("a token still valid is served although the secret was rejected since", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  issuer.answer({ status: 401, json: { error: "invalid_client" } });
  engine.clock.advance(50 * MINUTE);
  await until(() => credential.state() === "rejected");
  t.is(await text(credential.token({})), "token-1");
  engine.clock.advance(11 * MINUTE);
  t.is((await failure(() => credential.token({}))).reason, "credential_rejected");
});

test("forceRefresh renews; within a second it gets the token that just came", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  t.is(await text(credential.token({ forceRefresh: true })), "token-1");
  engine.clock.advance(1_001);
  t.is(await text(credential.token({ forceRefresh: true })), "token-2");
  t.is(issuer.requests.length, 2);
});

test("forceRefresh never hands back the old token, and sends nothing in back-off", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  engine.clock.advance(2 * SECOND);
  issuer.answer({ status: 500, body: "down" });
  const failed = await failure(() => credential.token({ forceRefresh: true }));
  t.is(failed.reason, "issuer_unavailable");
  const again = await failure(() => credential.token({ forceRefresh: true }));
  t.true((again.retryAfterMs ?? 0) > 0);
  t.is(issuer.requests.length, 2);
  t.is(await text(credential.token({})), "token-1");
});

test("a failed forceRefresh is tried again in the background", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  engine.clock.advance(2 * SECOND);
  issuer.answer({ status: 500, body: "down" });
  await failure(() => credential.token({ forceRefresh: true }));
  issuer.answer(counting());
  engine.clock.advance(SECOND);
  await until(() => credential.state() === "ready");
  t.is(issuer.requests.length, 3);
});

test("rejectedToken renews only if it is still the current token", async (t) => {
  const { credential, issuer } = await setup(t);
  await credential.token({});
  t.is(await text(credential.token({ rejectedToken: "an older one" })), "token-1");
  t.is(await text(credential.token({ rejectedToken: "token-1" })), "token-2");
  t.is(await text(credential.token({ rejectedToken: "token-1" })), "token-2");
  t.is(issuer.requests.length, 2);
});

test("a program that rejects every new token does not make authd hammer the issuer", async (t) => {
  const { credential, issuer } = await setup(t);
  let current = await text(credential.token({}));
  let refused: AuthdError | undefined;
  for (let i = 0; i < 10 && !refused; i++) {
    try {
      current = await text(credential.token({ rejectedToken: current }));
    } catch (error) {
      refused = error as AuthdError;
    }
  }
  t.is(refused?.reason, "issuer_unavailable");
  t.true((refused?.retryAfterMs ?? 0) > 0);
  t.true(issuer.requests.length <= 4);
});

test("a program that rejects every token after some seconds is held back more and more", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  let current = await text(credential.token({}));
  for (let i = 0; i < 200; i++) {
    engine.clock.advance(4 * SECOND);
    try {
      current = await text(credential.token({ rejectedToken: current }));
    } catch (error) {
      t.is((error as AuthdError).reason, "issuer_unavailable");
    }
  }
  t.true(issuer.requests.length <= 14, `${issuer.requests.length} requests`);
  engine.clock.advance(11 * MINUTE);
  const before = issuer.requests.length;
  await credential.token({ rejectedToken: current });
  t.is(issuer.requests.length, before + 1);
});

test("a caller that gives up does not cancel the request", async (t) => {
  let release = () => {};
  const { credential, issuer } = await setup(t, (_seen, response) => {
    release = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ access_token: "late", token_type: "bearer", expires_in: 60 }));
    };
    return undefined;
  });
  const controller = new AbortController();
  const asked = failure(() => credential.token({ signal: controller.signal }));
  await until(() => issuer.requests.length === 1);
  controller.abort();
  t.is((await asked).reason, "cancelled");
  const patient = credential.token({});
  release();
  t.is(await text(patient), "late");
  t.is(issuer.requests.length, 1);
});

test("a caller's timeout is its own", async (t) => {
  const { credential, engine, issuer } = await setup(t, () => undefined);
  const asked = failure(() => credential.token({ timeoutMs: 700 }));
  await until(() => issuer.requests.length === 1);
  engine.clock.advance(700);
  t.is((await asked).reason, "timeout");
  t.is(credential.state(), "refreshing");
});

test("a stalled issuer delays no cached token", async (t) => {
  const { engine, credential, issuer } = await setup(t);
  await credential.token({});
  const stalled = await startIssuer(t, () => undefined);
  const other = await engine.add(
    "stalled",
    { grant: "client_credentials", token_url: stalled.url, client_id: "app" },
    { client_secret: "x" },
  );
  void failure(() => other.token({ timeoutMs: 10 }));
  await until(() => stalled.requests.length === 1);
  t.is((credential.token({}) as IssuedToken).accessToken, "token-1");
  t.is(issuer.requests.length, 1);
});

test("scopes are sets: order does not matter, and the credential's own equals none", async (t) => {
  const { credential, issuer } = await setup(t, counting(), { scope: "read write" });
  const own = await text(credential.token({}));
  t.is(await text(credential.token({ scope: "write read" })), own);
  const other = await text(credential.token({ scope: "b a" }));
  t.not(other, own);
  t.is(await text(credential.token({ scope: "a b b" })), other);
  t.not(await text(credential.token({ audience: "https://api" })), own);
  t.is(issuer.requests.length, 3);
  t.deepEqual(
    issuer.requests.map(({ form }) => form.get("scope")),
    ["read write", "a b", "read write"],
  );
});

test("at most 32 variants are kept; the one not asked for longest makes room", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  for (let i = 0; i < 40; i++) {
    await credential.token({ scope: `s${i}` });
    engine.clock.advance(10);
  }
  t.is(issuer.requests.length, 40);
  await credential.token({ scope: "s39" });
  t.is(issuer.requests.length, 40);
  await credential.token({ scope: "s0" });
  t.is(issuer.requests.length, 41);
});

test("a scope that the issuer refuses costs that scope alone", async (t) => {
  const { credential } = await setup(t, ({ form }) =>
    form.get("scope") === "admin"
      ? { status: 400, json: { error: "invalid_scope" } }
      : { json: { access_token: "fine", token_type: "bearer", expires_in: 60 } },
  );
  const error = await failure(() => credential.token({ scope: "admin" }));
  t.is(error.reason, "credential_rejected");
  t.is(await text(credential.token({})), "fine");
});

test("a static token takes no scope of the caller's, and is never renewed", async (t) => {
  const engine = await startTestRegistry(t);
  const credential = await engine.add("fixed", { grant: "static" }, { token: "fixed-token" });
  t.is(await text(credential.token({})), "fixed-token");
  engine.clock.advance(3 * DAY);
  t.is(engine.events.filter(({ kind }) => kind === "refreshed").length, 1);
  t.is((await failure(() => credential.token({ scope: "x" }))).reason, "invalid_params");
  const issued = credential.token({}) as IssuedToken;
  t.is(await credential.refreshAfter401("https://api.example", issued, undefined, {}), undefined);
});

test("a renewal that brings no later expiry is a failure for scheduling: no hot loop", async (t) => {
  const same = { json: { access_token: "same", token_type: "bearer", expires_in: 600 } };
  const { credential, engine, issuer } = await setup(t, same);
  await credential.token({});
  const end = engine.clock.wall() + 600 * SECOND;
  issuer.answer(() => ({
    json: {
      access_token: "same",
      token_type: "bearer",
      expires_in: Math.floor((end - engine.clock.wall()) / SECOND),
    },
  }));
  for (let second = 0; second < 599; second++) {
    engine.clock.advance(SECOND);
    await until(() => credential.state() !== "refreshing");
  }
  t.true(issuer.requests.length < 20, `${issuer.requests.length} requests`);
});

test("a token that has expired when it comes is a failure", async (t) => {
  const { credential } = await setup(t, counting(0));
  const error = await failure(() => credential.token({}));
  t.is(error.reason, "issuer_unavailable");
  t.regex(error.message, /already expired/);
});

for (const years of [1, -1]) {
  test(`a JWT's lifetime is right although the wall clock is set while its answer is on its way (${years} year)`, async (t) => {
    let release = () => {};
    const { credential, engine, issuer } = await setup(t, (_seen, response) => {
      release = () => {
        const exp = Math.floor(Date.parse("2030-01-01T01:00:00Z") / SECOND);
        const access_token = jwt({ exp });
        const date = "Tue, 01 Jan 2030 00:00:00 GMT";
        response.writeHead(200, { "content-type": "application/json", date });
        response.end(JSON.stringify({ access_token, token_type: "bearer" }));
      };
      return undefined;
    });
    const asked = credential.token({});
    await until(() => issuer.requests.length === 1);
    engine.clock.stepWall(years * 365 * DAY);
    release();
    t.is((await asked).token.lifetime, HOUR);
  });
}

test("after a suspend the first answer is not an expired token", async (t) => {
  const { credential, engine } = await setup(t);
  await credential.token({});
  engine.clock.suspend(2 * HOUR);
  t.is(await text(credential.token({})), "token-2");
});

test("expired by the wall clock alone: renewed first, served if the issuer can't be had", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  engine.clock.stepWall(2 * HOUR);
  t.is(await text(credential.token({})), "token-2");
  engine.clock.stepWall(2 * HOUR);
  issuer.answer({ status: 503, body: "" });
  t.is(await text(credential.token({})), "token-2");
});

test("a wall clock stepped back changes nothing but what clients are told", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  engine.clock.stepWall(-365 * DAY);
  engine.clock.advance(30 * SECOND);
  const { answer } = credential.token({}) as IssuedToken;
  t.is(issuer.requests.length, 1);
  t.is(answer.expiresAt, engine.clock.wall() + HOUR - 30 * SECOND);
});

test("after a clock jump renewals that can wait do not all start at once", async (t) => {
  const { engine, issuer, credential } = await setup(t);
  engine.clock.chance = 0.5;
  await credential.token({});
  engine.clock.suspend(50 * MINUTE);
  engine.clock.advance(30 * SECOND);
  t.is(issuer.requests.length, 1);
  engine.clock.advance(3 * SECOND);
  await until(() => issuer.requests.length === 2);
});

test("a restart finds the token again", async (t) => {
  const { engine, issuer, credential } = await setup(t);
  await credential.token({});
  const { settings } = credential;
  const restarted = await engine.restart();
  restarted.clock.advance(10 * MINUTE);
  const again = restarted.registry.add(settings);
  t.is((again.token({}) as IssuedToken).accessToken, "token-1");
  t.is(again.info().refreshCount, 1);
  t.is(issuer.requests.length, 1);
  t.is((again.info().expiresAt ?? 0) - restarted.clock.wall(), 50 * MINUTE);
});

test("a file that was edited so that secrets might go elsewhere stops the credential until it is trusted", async (t) => {
  const { engine, issuer, credential } = await setup(t);
  await credential.token({});
  const elsewhere = await startIssuer(t, counting());
  const file = { grant: "client_credentials", client_id: "app" };
  credential.applySettings(engine.settings("demo", { ...file, token_url: elsewhere.url }));
  t.is(credential.state(), "changed");
  t.is((await failure(() => credential.token({}))).reason, "credential_changed");
  t.is(elsewhere.requests.length, 0);
  credential.applySettings(engine.settings("demo", { ...file, token_url: issuer.url }));
  t.is(await text(credential.token({})), "token-2");
  credential.applySettings(engine.settings("demo", { ...file, token_url: elsewhere.url }));
  await credential.trust();
  t.is(await text(credential.token({})), "token-1");
  t.is(elsewhere.requests.length, 1);
});

test("an edit that moves no secret takes effect at once", async (t) => {
  const { engine, issuer, credential } = await setup(t);
  await credential.token({});
  const file = { grant: "client_credentials", client_id: "app", token_url: issuer.url };
  credential.applySettings(engine.settings("demo", { ...file, secret_expires: "2031-01-31" }));
  t.is((credential.token({}) as IssuedToken).accessToken, "token-1");
  t.is(credential.info().secretExpires, "2031-01-31");
  credential.applySettings(engine.settings("demo", { ...file, scope: "read" }));
  t.is(await text(credential.token({})), "token-2");
});

test("one whose secret was never entered says so", async (t) => {
  const engine = await startTestRegistry(t);
  const credential = engine.registry.add(
    engine.settings("demo", {
      grant: "client_credentials",
      token_url: "https://issuer.example/token",
      client_id: "app",
    }),
  );
  const error = await failure(() => credential.token({}));
  t.is(error.reason, "login_required");
  t.regex(error.message, /authd set demo/);
});

test("401: a token that the origin took is renewed once, however many requests got it", async (t) => {
  const { credential, issuer } = await setup(t);
  const issued = await credential.token({});
  credential.recordAccepted("https://api.example", issued);
  const renewed = await Promise.all(
    Array.from({ length: 8 }, () =>
      credential.refreshAfter401("https://api.example", issued, undefined, {}),
    ),
  );
  t.deepEqual(new Set(renewed.map((token) => token?.accessToken)), new Set(["token-2"]));
  t.is(issuer.requests.length, 2);
});

test("401: one for a token just obtained, or for lack of scope, is the caller's answer", async (t) => {
  const { credential, issuer } = await setup(t);
  const issued = await credential.token({});
  t.is(await credential.refreshAfter401("https://api.example", issued, undefined, {}), undefined);
  credential.recordAccepted("https://api.example", issued);
  const challenge = 'Bearer realm="x", error="insufficient_scope"';
  t.is(await credential.refreshAfter401("https://api.example", issued, challenge, {}), undefined);
  t.is(issuer.requests.length, 1);
});

test("401: if the renewal fails, the 401 is the caller's answer", async (t) => {
  const { credential, issuer } = await setup(t);
  const issued = await credential.token({});
  credential.recordAccepted("https://api.example", issued);
  issuer.answer({ status: 500, body: "down" });
  t.is(await credential.refreshAfter401("https://api.example", issued, undefined, {}), undefined);
});

test("no event, error or log line carries a secret or a token", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  issuer.answer({
    status: 401,
    json: { error: "invalid_client", error_description: "not-so-secret" },
  });
  engine.clock.advance(50 * MINUTE);
  await until(() => credential.state() === "rejected");
  const said = JSON.stringify([engine.events, engine.errors, credential.info()]);
  t.notRegex(said, /not-so-secret|token-1/);
});

test("an edit that nobody trusted yet changes nothing for a request under way", async (t) => {
  const held = new HeldAnswers();
  const { credential, engine, issuer } = await setup(t, held.answer);
  const asked = credential.token({}) as Promise<IssuedToken>;
  await until(() => issuer.requests.length === 1);
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  const headers = { authorization: "Bearer {token}", "x-leak": "{secret.client_secret}" };
  credential.applySettings(engine.settings("demo", { ...file, headers }));
  t.is(credential.state(), "changed");
  held.release({ access_token: "late", token_type: "bearer", expires_in: 60 });
  t.deepEqual((await asked).answer.headers, { authorization: "Bearer late" });
});

test("a new secret goes nowhere but to the new address", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  const elsewhere = await startIssuer(t, counting());
  const release = engine.vault.hold();
  const file = { grant: "client_credentials", client_id: "app" };
  const settings = engine.settings("demo", { ...file, token_url: elsewhere.url });
  const amended = credential.update(settings, { secrets: { client_secret: "the-new-one" } });
  await credential.token({});
  release();
  await amended;
  await credential.token({});
  const sent = (seen: RecordedRequest | undefined) =>
    Buffer.from(seen?.headers.authorization?.slice(6) ?? "", "base64").toString();
  t.deepEqual(issuer.requests.map(sent), ["app:not-so-secret"]);
  t.deepEqual(elsewhere.requests.map(sent), ["app:the-new-one"]);
});

test("what could not be sealed is as it was before", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  const elsewhere = await startIssuer(t, counting());
  const settings = engine.settings("demo", {
    grant: "client_credentials",
    client_id: "app",
    token_url: elsewhere.url,
  });
  engine.vault.broken = new Error("no room on the disk");
  await t.throwsAsync(credential.update(settings, { secrets: { client_secret: "the-new-one" } }), {
    message: /no room/,
  });
  engine.vault.broken = undefined;
  t.is((credential.token({}) as IssuedToken).accessToken, "token-1");
  t.is(credential.settings.binding, credential.record.binding);
  t.is(credential.record.secrets.client_secret, "not-so-secret");
  engine.clock.advance(2 * SECOND);
  await credential.token({ forceRefresh: true });
  t.is(issuer.requests.length, 2);
});

test("a token that comes while new secrets are being sealed is not found again after a restart", async (t) => {
  const held = new HeldAnswers();
  const { credential, engine, issuer } = await setup(t, held.answer);
  const asked = credential.token({}) as Promise<IssuedToken>;
  await until(() => issuer.requests.length === 1);
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "another" };
  const settings = engine.settings("demo", file);
  const release = engine.vault.hold();
  const amended = credential.update(settings, { secrets: { client_secret: "the-new-one" } });
  held.release({ access_token: "of-the-old-client", token_type: "bearer", expires_in: 3600 });
  t.is((await asked).accessToken, "of-the-old-client");
  release();
  await amended;
  issuer.answer(counting());
  const restarted = await engine.restart();
  t.is(await text(restarted.registry.add(settings).token({})), "token-1");
});

test("a file edited while authd was not running counts: tokens obtained before it are dropped", async (t) => {
  const { engine, credential, issuer } = await setup(t, counting(), { scope: "read" });
  await credential.token({});
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  const settings = engine.settings("demo", { ...file, scope: "write" });
  const restarted = await engine.restart();
  t.is(await text(restarted.registry.add(settings).token({})), "token-2");
  t.is(issuer.requests[1]?.form.get("scope"), "write");
});

test("a request that waits for its turn serves for the secret that is entered meanwhile", async (t) => {
  const held = new HeldAnswers();
  const { credential, engine, issuer } = await setup(t, held.answer);
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "other" };
  for (let n = 0; n < 4; n++) {
    const other = await engine.add(`other-${n}`, file, { client_secret: "not-so-secret" });
    void other.token({});
  }
  await until(() => issuer.requests.length === 4);
  const asked = credential.token({}) as Promise<IssuedToken>;
  await credential.update(credential.settings, { secrets: { client_secret: "the-new-one" } });
  const refreshed = credential.refresh(30 * SECOND);
  issuer.answer(counting());
  for (let n = 0; n < 4; n++) held.release({ access_token: "other", token_type: "bearer" });
  await refreshed;
  t.is(await text(asked), "token-1");
  t.is(await text(credential.token({})), "token-1");
  const sent = issuer.requests.slice(4).map(({ headers }) => headers.authorization?.slice(6) ?? "");
  t.deepEqual(
    sent.map((each) => Buffer.from(each, "base64").toString()),
    ["app:the-new-one"],
  );
});

test("how a request for replaced secrets ends is not said of the new ones", async (t) => {
  const held = new HeldAnswers();
  const { credential, engine, issuer } = await setup(t, held.answer);
  const asked = failure(() => credential.token({}));
  await until(() => issuer.requests.length === 1);
  await credential.update(credential.settings, { secrets: { client_secret: "the-new-one" } });
  held.release({ error: "invalid_client" }, 401);
  t.is((await asked).reason, "credential_rejected");
  t.is(credential.state(), "idle");
  t.is(credential.info().lastError, undefined);
  t.is(credential.info().failureCount, 0);
  issuer.answer(counting());
  t.is(await text(credential.token({})), "token-1");
  t.is(engine.events.filter(({ kind }) => kind === "refreshed").length, 1);
});

test("one that was removed tells nobody anything any more, and sends nothing", async (t) => {
  const held = new HeldAnswers();
  const { credential, engine, issuer } = await setup(t, held.answer);
  const asked = credential.token({}) as Promise<IssuedToken>;
  await until(() => issuer.requests.length === 1);
  engine.registry.delete("demo");
  const before = engine.events.length;
  held.release({ access_token: "late", token_type: "bearer", expires_in: 60 });
  t.is(await text(asked), "late");
  t.is((await failure(() => credential.token({}))).reason, "unknown_credential");
  t.is((await failure(() => credential.refresh(SECOND))).reason, "unknown_credential");
  t.is(engine.events.length, before);
  t.is(issuer.requests.length, 1);
});

test("a refresh that a person asked for and that failed is tried again in the background", async (t) => {
  const { credential, engine, issuer } = await setup(t, { status: 500, body: "down" });
  await failure(() => credential.refresh(5 * SECOND));
  t.is(credential.state(), "failing");
  t.true(Number.isFinite(credential.info().retryAt));
  issuer.answer(counting());
  engine.clock.advance(SECOND);
  await until(() => credential.state() === "ready");
  t.is(issuer.requests.length, 2);
});

for (const error of ["access_denied", "invalid_target", "consent_required"]) {
  test(`an audience that the issuer refuses with ${error} costs that audience alone`, async (t) => {
    const { credential } = await setup(t, ({ form }) =>
      form.get("audience") === "theirs"
        ? { status: 403, json: { error } }
        : { json: { access_token: "fine", token_type: "bearer", expires_in: 60 } },
    );
    const refused = await failure(() => credential.token({ audience: "theirs" }));
    t.is(refused.reason, "credential_rejected");
    t.is(await text(credential.token({})), "fine");
    t.is(credential.state(), "ready");
  });
}

test("a token whose age is in doubt stays so, however often authd starts", async (t) => {
  const { engine, credential, issuer } = await setup(t);
  await credential.token({});
  const { settings } = credential;
  engine.clock.reboot(-2 * HOUR);
  issuer.answer(({ form }) =>
    form.get("scope") === "other"
      ? { json: { access_token: "other", token_type: "bearer", expires_in: 3600 } }
      : { status: 503, body: "" },
  );
  let current = await engine.restart();
  for (let start = 0; start < 3; start++) {
    const again = current.registry.add(settings);
    const tried = issuer.requests.length;
    t.is(await text(again.token({})), "token-1");
    t.is(issuer.requests.length, tried + 1, "renewed first, if that can be done");
    // Seals them all once more.
    await again.token({ scope: "other", forceRefresh: true });
    current = await current.restart();
  }
});

test("a rejected token brings the next try forward, as no token at all does", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  issuer.answer({ status: 500, body: "down" });
  engine.clock.chance = 0.999;
  engine.clock.advance(46 * MINUTE);
  for (let tries = 0; tries < 8; tries++) {
    await until(() => credential.state() === "failing");
    engine.clock.advance(64 * SECOND);
  }
  await until(() => credential.state() === "failing");
  const wait = (credential.info().retryAt ?? 0) - engine.clock.wall();
  t.true(wait > 20 * SECOND, `${wait} ms`);
  issuer.answer({ json: { access_token: "newer", token_type: "bearer", expires_in: 3600 } });
  engine.clock.advance(6 * SECOND);
  await failure(() => credential.token({ forceRefresh: true }));
  t.is(await text(credential.token({ rejectedToken: "token-1" })), "newer");
});

test("what is in the way now is shown, not an error of before", async (t) => {
  const { credential, engine, issuer } = await setup(t, { status: 500, body: "down" });
  await failure(() => credential.token({}));
  t.is(credential.info().lastError?.reason, "issuer_unavailable");
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  credential.applySettings(engine.settings("demo", { ...file, origins: ["https://evil.example"] }));
  t.is(credential.info().lastError?.reason, "credential_changed");
});

test("a renewal that brings no later expiry is told as the last error", async (t) => {
  const { credential, engine, issuer } = await setup(t, counting(600));
  await credential.token({});
  engine.clock.advance(3 * SECOND);
  issuer.answer(counting(300));
  await credential.token({ forceRefresh: true });
  t.is(credential.state(), "failing");
  t.regex(credential.info().lastError?.message ?? "", /no later expiry/);
});

test("a token first asked for long after it came is renewed in time, however short it lives", async (t) => {
  const { credential, engine, issuer } = await setup(t, counting(12));
  await credential.refresh(5 * SECOND);
  engine.clock.advance(SECOND);
  t.is(await text(credential.token({})), "token-1");
  engine.clock.advance(6 * SECOND);
  await until(() => issuer.requests.length === 2);
  t.pass();
});

test("a token in use that ran out while authd was not running is renewed without a caller", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  engine.clock.advance(44 * MINUTE);
  const { settings } = credential;
  const again = await engine.restart();
  again.clock.reboot(HOUR);
  const revived = again.registry.add(settings);
  again.registry.tick();
  await until(() => revived.state() === "ready");
  t.is(issuer.requests.length, 2);
  t.is((revived.token({}) as IssuedToken).accessToken, "token-2");
});

test("a restart knows that a token which came long ago was asked for since", async (t) => {
  const { credential, engine, issuer } = await setup(t, counting(20 * 3600));
  await credential.token({});
  engine.clock.advance(10 * HOUR);
  t.is(await text(credential.token({})), "token-1");
  const waiting = () => JSON.stringify(engine.vault.read("demo")?.tokens);
  const before = waiting();
  engine.clock.advance(MINUTE);
  await until(() => waiting() !== before);
  const { settings } = credential;
  const again = await engine.restart();
  const revived = again.registry.add(settings);
  again.clock.advance(9 * HOUR + 10 * MINUTE);
  await until(() => issuer.requests.length === 2 && revived.state() === "ready");
  t.is((revived.token({}) as IssuedToken).accessToken, "token-2");
});

test("a token that nobody used for long stays what it was after a restart", async (t) => {
  const { credential, engine, issuer } = await setup(t);
  await credential.token({});
  const { settings } = credential;
  const again = await engine.restart();
  again.clock.reboot(DAY);
  const revived = again.registry.add(settings);
  again.registry.tick();
  t.is(revived.state(), "idle");
  t.is(again.registry.pendingRefreshes, 0);
  t.is(issuer.requests.length, 1);
  t.is(await text(revived.token({})), "token-2");
});

test("a sealed token that can't be used is obtained anew, and keeps nothing from starting", async (t) => {
  const { credential, engine } = await setup(t);
  await credential.token({});
  const { settings } = credential;
  const odd = [null, {}, { ...engine.vault.read("demo")!.tokens[0], accessToken: "a\r\nb: c" }];
  for (const stored of odd) {
    const record = { ...engine.vault.read("demo")!, tokens: [stored] } as CredentialRecord;
    await engine.vault.write("demo", record, { durable: true });
    engine.registry.delete("demo");
    const revived = engine.registry.add(settings);
    t.is(revived.state(), "idle");
    t.regex(await text(revived.token({})), /^token-\d$/);
    await engine.sealed.settled();
  }
});

test("what an issuer refused is not sent again after a restart, until a person acts", async (t) => {
  const refused = { status: 401, json: { error: "invalid_client" } };
  const { credential, engine, issuer } = await setup(t, refused, { warm: "always" });
  await failure(() => credential.token({}));
  const { settings } = credential;
  const { engine: again, credential: revived } = await restarted(engine, settings);
  again.clock.advance(DAY);
  t.is(revived.state(), "rejected");
  const error = await failure(() => revived.token({}));
  t.is(error.reason, "credential_rejected");
  t.is(error.oauth?.error, "invalid_client");
  t.is(revived.info().lastError?.reason, "credential_rejected");
  t.is(issuer.requests.length, 1);
  issuer.answer(counting());
  await revived.refresh(5 * SECOND);
  t.is(revived.state(), "ready");
  const { credential: last } = await restarted(again, settings);
  t.is(last.state(), "ready");
});

async function restarted(before: TestRegistry, settings: Credential["settings"]) {
  const engine = await before.restart();
  return { engine, credential: engine.registry.add(settings) };
}

test("another client id in the file lets a refused credential try again", async (t) => {
  const refused = { status: 401, json: { error: "invalid_client" } };
  const { credential, engine, issuer } = await setup(t, refused);
  await failure(() => credential.token({}));
  issuer.answer(counting());
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "another" };
  credential.applySettings(engine.settings("demo", file));
  t.is(await text(credential.token({})), "token-1");
});

test("a scope that no issuer would take is refused before it is kept", async (t) => {
  const { credential, issuer } = await setup(t);
  const error = await failure(() => credential.token({ scope: "x".repeat(10_000) }));
  t.is(error.reason, "invalid_params");
  t.regex(error.message, /^demo: .*8192 characters/);
  t.is(issuer.requests.length, 0);
});
