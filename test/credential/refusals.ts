/** What a refusal stops, and how often a sign-in is tried whatever programs ask for. */
import test, { type ExecutionContext } from "ava";
import type { Credential } from "../../src/credential/credential.ts";
import { AuthdError } from "../../src/errors.ts";
import { type Issuer, type Responder, type StubResponse, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const SECRETS = { client_secret: "not-so-secret" };
const GOOD: StubResponse = {
  json: { access_token: "good", token_type: "bearer", expires_in: 3600 },
};
const WRONG: StubResponse = { status: 400, json: { message: "User name or password is wrong" } };

interface Stage {
  engine: TestRegistry;
  issuer: Issuer;
  credential: Credential;
}

async function setup(
  t: ExecutionContext,
  answering: Responder,
  file: Record<string, unknown> = {},
): Promise<Stage> {
  const issuer = await startIssuer(t, answering);
  const engine = await startTestRegistry(t);
  const oauth = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  const credential = await engine.add("demo", { ...oauth, ...file }, SECRETS);
  return { engine, issuer, credential };
}

async function failure(work: () => unknown): Promise<AuthdError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AuthdError) return error;
    throw error;
  }
  throw new Error("did not fail");
}

/** A program asks every `every` ms of the test's clock, and each request is answered before time goes on. */
async function askFor(
  { engine, credential }: Stage,
  duration: number,
  every: number,
  want: (asked: number) => object = () => ({}),
): Promise<void> {
  for (let asked = 0; asked * every < duration; asked++) {
    await Promise.resolve(credential.token(want(asked))).catch(() => {});
    await until(() => credential.pendingRefreshes === 0);
    engine.clock.advance(every);
    await until(() => credential.pendingRefreshes === 0);
  }
}

const page = (status: number): StubResponse => ({
  status,
  headers: { "content-type": "text/html" },
  body: "<html>Sign in",
});

const REFUSALS: Record<string, StubResponse> = {
  "a 400 with a message": WRONG,
  "a 422 with a code": { status: 422, json: { code: "USER_LOCKED" } },
  "a 200 with an error": { json: { error: "invalid_code" } },
  "a 200 with an errcode": { json: { errcode: 40125 } },
  "a 401 with JSON": { status: 401, json: { detail: "no" } },
  "a 401 with text": { status: 401, body: "Unauthorized" },
  "a 401 with a page": page(401),
};

for (const [what, answer] of Object.entries(REFUSALS)) {
  test(`three times ${what} are final, however often a program asks`, async (t) => {
    const staged = await setup(t, answer);
    const { engine, credential, issuer } = staged;
    t.is((await failure(() => credential.token({}))).reason, "issuer_unavailable");
    await askFor(staged, 4 * MINUTE, SECOND / 2);
    t.is(issuer.requests.length, 3);
    t.is(credential.state(), "rejected");
    engine.clock.advance(24 * HOUR);
    const error = await failure(() => credential.token({}));
    t.is(error.reason, "credential_rejected");
    t.regex(error.message, /3 times in a row.*authd set demo.*authd refresh demo/);
    if (answer === WRONG) t.regex(error.message, /User name or password is wrong/);
    t.is(issuer.requests.length, 3);
  });
}

test("an exchange, a password and a refresh token stop after three refusals as well", async (t) => {
  const issuer = await startIssuer(t, { json: { errcode: 40125 } });
  const engine = await startTestRegistry(t);
  const files = {
    exchange: {
      ...{ grant: "exchange", request: { url: issuer.url, json: { key: "{secret.key}" } } },
      ...{ response: { token: "/token" }, secrets: ["key"] },
    },
    password: { grant: "password", token_url: issuer.url, username: "me" },
    refresh: { grant: "refresh_token", token_url: issuer.url, client_id: "app" },
  };
  const secrets = { key: "k1", password: "p1", refresh_token: "r1" };
  for (const [name, file] of Object.entries(files)) {
    const before = issuer.requests.length;
    const credential = await engine.add(name, file, secrets);
    await askFor({ engine, issuer, credential }, 2 * MINUTE, SECOND / 2);
    t.is(issuer.requests.length - before, 3, name);
    t.is(credential.state(), "rejected", name);
  }
});

test("restarts do not count refusals anew: a daemon that is started again and again sends three", async (t) => {
  let { engine, credential, issuer } = await setup(t, WRONG, { warm: "always" });
  const { settings } = credential;
  for (let start = 0; start < 10; start++) {
    await failure(() => credential.token({}));
    await engine.sealed.settled();
    engine = await engine.restart();
    credential = engine.registry.add(settings);
    engine.registry.tick();
    await until(() => credential.pendingRefreshes === 0);
  }
  t.is(issuer.requests.length, 3);
  t.is(credential.state(), "rejected");
});

test("a token ends the row of refusals; another failure does not", async (t) => {
  const staged = await setup(t, WRONG);
  const { engine, credential, issuer } = staged;
  const next = async (answer: StubResponse) => {
    issuer.answer(answer);
    const before = issuer.requests.length;
    while (issuer.requests.length === before) await askFor(staged, SECOND, SECOND);
  };
  await next(WRONG);
  await next(WRONG);
  await next(GOOD);
  t.is(credential.state(), "ready");
  engine.clock.advance(2 * HOUR);
  for (const answer of [WRONG, { status: 500, body: "" }, WRONG]) await next(answer);
  t.is(credential.state(), "failing");
  await next(WRONG);
  t.is(credential.state(), "rejected");
});

test("a person's refresh tries once, and does not start the tries anew", async (t) => {
  const staged = await setup(t, WRONG);
  const { credential, issuer, engine } = staged;
  await askFor(staged, 2 * MINUTE, SECOND);
  t.is(issuer.requests.length, 3);
  for (const answer of [WRONG, { status: 500, body: "down" }]) {
    issuer.answer(answer);
    const before = issuer.requests.length;
    await failure(() => credential.refresh(MINUTE));
    await askFor(staged, 10 * MINUTE, 10 * SECOND);
    t.is(issuer.requests.length, before + 1);
    t.is(credential.state(), "rejected");
  }
  const again = await engine.restart();
  t.is(again.registry.add(credential.settings).state(), "rejected");
  issuer.answer(GOOD);
  const revived = again.registry.get("demo");
  await revived.refresh(MINUTE);
  t.is(revived.state(), "ready");
});

test("a new secret is tried anew, with three tries of its own", async (t) => {
  const staged = await setup(t, WRONG);
  const { credential, issuer } = staged;
  await askFor(staged, 2 * MINUTE, SECOND);
  await credential.update(credential.settings, { secrets: { client_secret: "another" } });
  await askFor(staged, 2 * MINUTE, SECOND);
  t.is(issuer.requests.length, 6);
  t.is(credential.state(), "rejected");
});

const LASTING: Record<string, StubResponse> = {
  "a 404": { status: 404, json: { message: "Not found" } },
  "a 405": { status: 405, body: "" },
  "a redirect": { status: 301, headers: { location: "https://elsewhere.example/" } },
  "a page": page(200),
};

for (const [what, answer] of Object.entries(LASTING)) {
  test(`${what} never stops it, but a program that asks twice a second for an hour causes 14 requests at most`, async (t) => {
    const staged = await setup(t, answer);
    const { credential, issuer, engine } = staged;
    await askFor(staged, HOUR, SECOND / 2);
    t.true(
      issuer.requests.length >= 8 && issuer.requests.length <= 14,
      `${issuer.requests.length}`,
    );
    const error = await failure(() => credential.token({}));
    t.is(error.reason, "issuer_unavailable");
    t.regex(error.message, /token_url/);
    t.is(credential.state(), "failing");
    issuer.answer(GOOD);
    engine.clock.advance(HOUR);
    await until(() => credential.state() === "ready");
  });
}

test("a program that asks twice a second causes 60 requests a day at a wrong address, 24 an hour at a broken server", async (t) => {
  const lasting = await setup(t, { status: 404, body: "" });
  // Between two tries a program's asking changes nothing: it need not be simulated each time.
  await askFor(lasting, HOUR, SECOND / 2);
  await askFor(lasting, 23 * HOUR, 15 * SECOND);
  t.true(lasting.issuer.requests.length <= 60, `${lasting.issuer.requests.length}`);
  const broken = await setup(t, { status: 500, body: "wrong password" });
  await askFor(broken, HOUR, SECOND / 2);
  const first = broken.issuer.requests.length;
  t.true(first <= 35, `${first}`);
  await askFor(broken, 6 * HOUR, 15 * SECOND);
  const later = broken.issuer.requests.length - first;
  t.true(later <= 6 * 24, `${later}`);
});

test("programs that force a new token each time get one every 5 s in the end", async (t) => {
  let count = 0;
  const staged = await setup(t, () => ({
    json: { access_token: `t-${++count}`, token_type: "bearer", expires_in: 3600 },
  }));
  await askFor(staged, 10 * MINUTE, SECOND / 2, () => ({ forceRefresh: true }));
  t.true(count > 100 && count <= 60 + 120 + 1, `${count}`);
  const error = await failure(async () => {
    for (let tries = 0; tries < 3; tries++) {
      await staged.credential.token({ forceRefresh: true });
      staged.engine.clock.advance(1_100);
    }
  });
  t.is(error.reason, "issuer_unavailable");
  t.true((error.retryAfterMs ?? 0) > 0);
  t.is((await staged.credential.token({})).accessToken, `t-${count}`);
});

test("many credentials at an issuer that takes no connection: callers bring 30 tries forward, then one every 2 s", async (t) => {
  const issuer = await startIssuer(t, GOOD);
  let tried = 0;
  const engine = await startTestRegistry(t, {
    through: () => {
      const http = async () => {
        tried++;
        throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
      };
      return http as never;
    },
  });
  const oauth = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  const all = await Promise.all(
    Array.from({ length: 60 }, (_, i) => engine.add(`demo-${i}`, oauth, SECRETS)),
  );
  const settled = () => all.every(({ pendingRefreshes: flights }) => flights === 0);
  const minute = async () => {
    const before = tried;
    for (let second = 0; second < 60; second++) {
      for (const credential of all) {
        await Promise.resolve(credential.token({})).catch(() => {});
      }
      engine.clock.advance(SECOND);
      await until(settled);
    }
    return tried - before;
  };
  for (let minutes = 0; minutes < 10; minutes++) await minute();
  // By themselves 60 credentials try every 150 to 300 s.
  const most = 30 + 60 * (60 / 150);
  const last = await minute();
  t.true(last <= most, `${last} tries a minute`);
});

// ---- scopes and audiences of callers ----

const ODD: Record<string, StubResponse> = {
  invalid_scope: { status: 400, json: { error: "invalid_scope" } },
  invalid_client: { status: 401, json: { error: "invalid_client" } },
  unauthorized_client: { status: 400, json: { error: "unauthorized_client" } },
  access_denied: { status: 403, json: { error: "access_denied" } },
  invalid_grant: { status: 400, json: { error: "invalid_grant" } },
  "a listed status": { status: 418, body: "" },
};

for (const [error, answer] of Object.entries(ODD)) {
  for (const worked of [true, false]) {
    test(`a caller's scope that gets ${error} stops that scope alone (own token before: ${worked})`, async (t) => {
      const odd = ({ form }: { form: URLSearchParams }) =>
        form.get("scope") === "odd" ? answer : GOOD;
      const staged = await setup(t, odd, { rejected_statuses: [418] });
      const { credential, issuer, engine } = staged;
      if (worked) await credential.token({});
      const refused = await failure(() => credential.token({ scope: "odd" }));
      t.is(refused.reason, "credential_rejected");
      t.regex(refused.message, /scope "odd" that a program asked for.*authd refresh demo/);
      t.is((await credential.token({})).accessToken, "good");
      t.is((await credential.token({ scope: "fine" })).accessToken, "good");
      t.is(credential.state(), "ready");
      const before = issuer.requests.length;
      await askFor(staged, 10 * MINUTE, SECOND, () => ({ scope: "odd" }));
      t.is(issuer.requests.length, before);
      engine.clock.advance(50 * MINUTE);
      await until(() => credential.pendingRefreshes === 0 && credential.info().refreshCount > 2);
      t.is(credential.state(), "ready");
      t.regex(credential.info().tokens?.[0]?.refused ?? "", /scope "odd"/);
    });
  }
}

test("a caller's scope that gets 401 pages three times stops that scope alone", async (t) => {
  const odd = ({ form }: { form: URLSearchParams }) => (form.get("audience") ? page(401) : GOOD);
  const staged = await setup(t, odd);
  const { credential, issuer } = staged;
  await credential.token({});
  await askFor(staged, 3 * MINUTE, SECOND, () => ({ audience: "theirs" }));
  t.is(issuer.requests.length, 1 + 3);
  const refused = await failure(() => credential.token({ audience: "theirs" }));
  t.is(refused.reason, "credential_rejected");
  t.regex(refused.message, /audience "theirs".*HTTP 401/);
  t.is((await credential.token({})).accessToken, "good");
});

test("secrets that never worked: a caller's scope that is refused is followed by one try without it", async (t) => {
  const { credential, issuer } = await setup(t, { status: 401, json: { error: "invalid_client" } });
  const error = await failure(() => credential.token({ scope: "read" }));
  t.is(error.reason, "credential_rejected");
  t.regex(error.message, /authd set demo/);
  t.is(credential.state(), "rejected");
  t.deepEqual(
    issuer.requests.map(({ form }) => form.get("scope")),
    ["read", null],
  );
  for (const scope of ["read", "write", undefined]) {
    await failure(() => credential.token({ scope }));
  }
  t.is(issuer.requests.length, 2);
});

test("wrong secrets and many scopes: the account sees few sign-ins", async (t) => {
  const staged = await setup(t, WRONG);
  await askFor(staged, HOUR, SECOND, (asked) => ({ scope: `s${asked % 1000}` }));
  t.is(staged.credential.state(), "rejected");
  t.true(staged.issuer.requests.length <= 4, `${staged.issuer.requests.length}`);
});

test("a thousand odd scopes in turn: 16 requests in the first hour, also over restarts", async (t) => {
  const odd = ({ form }: { form: URLSearchParams }) =>
    form.get("scope") ? { status: 401, json: { error: "invalid_client" } } : GOOD;
  const staged = await setup(t, odd);
  await staged.credential.token({});
  await askFor(staged, HOUR, SECOND / 2, (asked) => ({ scope: `s${asked % 1000}` }));
  const { length } = staged.issuer.requests;
  t.true(length > 4 && length <= 17, `${length}`);
  t.is((await staged.credential.token({})).accessToken, "good");
  const error = await failure(() => staged.credential.token({ scope: "one-more" }));
  t.is(error.reason, "issuer_unavailable");
  t.regex(error.message, /the last \d+ scopes or audiences that programs asked for/);
  await staged.engine.sealed.settled();
  const engine = await staged.engine.restart();
  const credential = engine.registry.add(staged.credential.settings);
  await failure(() => credential.token({ scope: "s1" }));
  await failure(() => credential.token({ scope: "s2" }));
  t.is(staged.issuer.requests.length, length);
  t.is((await credential.token({})).accessToken, "good");
});

test("a refresh token that is refused with a caller's scope is tried without it: the session ended, or only the scope is odd", async (t) => {
  const issuer = await startIssuer(t, GOOD);
  const engine = await startTestRegistry(t);
  const file = { grant: "refresh_token", token_url: issuer.url, client_id: "app" };
  const credential = await engine.add("demo", file, { refresh_token: "r1" });
  await credential.token({});
  const ended = { status: 400, json: { error: "invalid_grant" } };
  engine.clock.advance(5 * SECOND);
  issuer.answer(({ form }) => (form.get("scope") ? ended : GOOD));
  t.is((await failure(() => credential.token({ scope: "odd" }))).reason, "login_required");
  t.is(credential.state(), "ready");
  engine.clock.advance(5 * SECOND);
  issuer.answer(ended);
  const error = await failure(() => credential.token({ scope: "other" }));
  t.is(error.reason, "login_required");
  t.is(credential.state(), "login_required");
  t.is((await credential.token({})).accessToken, "good", "it is valid still");
});
