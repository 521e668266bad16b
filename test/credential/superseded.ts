/** An issuer that keeps one access token for each refresh token, as Ory Hydra does: each refresh revokes the one before. */
import test, { type ExecutionContext } from "ava";
import type { Credential } from "../../src/credential/credential.ts";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { GetTokenOptions } from "../../src/credential/slow-path.ts";
import type { AuthdError } from "../../src/errors.ts";
import { type Issuer, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const API = "https://api.example";

interface Stage {
  engine: TestRegistry;
  issuer: Issuer;
  credential: Credential;
  /** The one access token that the API takes. */
  isLive(token: string): boolean;
}

async function setup(
  t: ExecutionContext,
  file: Record<string, unknown> = {},
  { rotates = true, granted }: { rotates?: boolean; granted?: string } = {},
): Promise<Stage> {
  let count = 0;
  let live = "";
  const issuer = await startIssuer(t, ({ form }) => {
    const scope = form.get("scope") ?? granted;
    live = `access-${++count}`;
    return {
      json: {
        ...{ access_token: live, token_type: "bearer", expires_in: 3600 },
        ...(scope && { scope }),
        ...(rotates && { refresh_token: `refresh-${count}` }),
      },
    };
  });
  const engine = await startTestRegistry(t);
  const settings = { grant: "refresh_token", token_url: issuer.url, client_id: "app" };
  const credential = await engine.add(
    "demo",
    { ...settings, origins: [API], ...file },
    { refresh_token: "refresh-0" },
  );
  return { engine, issuer, credential, isLive: (token) => token === live };
}

const get = async ({ credential }: Stage, options: GetTokenOptions = {}): Promise<IssuedToken> =>
  await credential.token(options);

for (const rotates of [true, false]) {
  test(`a 401 for a token that worked, after a refresh for another scope: the dead one is never handed out or shown again (rotating: ${rotates})`, async (t) => {
    const staged = await setup(t, {}, { rotates });
    const { engine, credential, issuer, isLive } = staged;
    const own = await get(staged);
    credential.recordAccepted(API, own);
    engine.clock.advance(MINUTE);
    const mail = await get(staged, { scope: "mail" });
    t.true(isLive(mail.accessToken));
    engine.clock.advance(MINUTE);
    // Nobody can know yet.
    t.is((await get(staged)).accessToken, own.accessToken);
    const renewed = await credential.refreshAfter401(API, own, undefined, {});
    t.true(isLive(renewed?.accessToken ?? ""));
    t.regex(credential.info().lastError?.message ?? "", /single_access_token = true/);
    t.is(credential.info().tokens?.[0]?.expiresAt, null);
    t.is(credential.info().tokens?.[0]?.refreshAt, null);
    t.is(issuer.requests.length, 3);
    t.true(isLive((await get(staged, { scope: "mail" })).accessToken));
    // With that the credential's own token is dead again: it is obtained anew at its next use.
    t.is(credential.info().expiresAt, credential.info().tokens?.[0]?.expiresAt ?? null);
    engine.clock.advance(10 * MINUTE);
    t.is(issuer.requests.length, 4, "nobody asked");
    t.true(isLive((await get(staged)).accessToken));
    await engine.sealed.settled();
    const again = await engine.restart();
    const revived = again.registry.add(credential.settings);
    t.true(isLive((await revived.token({})).accessToken));
    t.true(isLive((await revived.token({ scope: "mail" })).accessToken));
    t.is(revived.info().expiresAt, revived.info().tokens?.[0]?.expiresAt ?? null);
  });
}

test("a program tells that its token was rejected: the same", async (t) => {
  const staged = await setup(t);
  const { engine, isLive } = staged;
  const mail = await get(staged, { scope: "mail" });
  engine.clock.advance(MINUTE);
  await get(staged);
  engine.clock.advance(MINUTE);
  const newer = await get(staged, { scope: "mail", rejectedToken: mail.accessToken });
  t.true(isLive(newer.accessToken));
  t.true(isLive((await get(staged)).accessToken));
});

test("a 401 for the newest token says nothing about the others, nor does one that the file rules out", async (t) => {
  const staged = await setup(t);
  const { engine, credential, issuer } = staged;
  const mail = await get(staged, { scope: "mail" });
  engine.clock.advance(MINUTE);
  const own = await get(staged);
  engine.clock.advance(MINUTE);
  t.not((await get(staged, { rejectedToken: own.accessToken })).accessToken, own.accessToken);
  t.is((await get(staged, { scope: "mail" })).accessToken, mail.accessToken);
  t.is(credential.info().lastError, undefined);
  t.is(issuer.requests.length, 3);

  const told = await setup(t, { single_access_token: false });
  const first = await get(told, { scope: "mail" });
  told.engine.clock.advance(MINUTE);
  const second = await get(told);
  told.engine.clock.advance(MINUTE);
  await get(told, { scope: "mail", rejectedToken: first.accessToken });
  t.is((await get(told)).accessToken, second.accessToken);
});

test("single_access_token = true: the credential's own token serves a scope that it holds", async (t) => {
  const staged = await setup(t, { single_access_token: true });
  const { engine, issuer, isLive } = staged;
  const wants = [{}, { scope: "mail" }, { scope: "files mail" }];
  for (let asked = 0; asked < 60; asked++) {
    for (const want of wants) t.true(isLive((await get(staged, want)).accessToken));
    engine.clock.advance(SECOND);
  }
  t.is(issuer.requests.length, 1);

  const narrow = await setup(t, { single_access_token: true }, { granted: "mail" });
  t.true(isLive((await get(staged)).accessToken));
  await get(narrow);
  t.is((await get(narrow, { scope: "mail" })).scope, "mail");
  t.is(narrow.issuer.requests.length, 1);
  const files = await get(narrow, { scope: "files" });
  t.is(files.scope, "files", "it is not in what was granted");
  t.is(narrow.issuer.requests.length, 2);
  t.is(narrow.credential.info().expiresAt, files.answer.expiresAt);
});

test("single_access_token = true: no broader token where a rule depends on the scope", async (t) => {
  const allow = [{ user: "root", scope: ["mail"] }];
  const staged = await setup(t, { single_access_token: true, allow });
  await get(staged);
  t.is((await get(staged, { scope: "mail" })).scope, "mail");
  t.is(staged.issuer.requests.length, 2);
});

test("two programs that ask for different audiences do not revoke each other's tokens without end", async (t) => {
  const staged = await setup(t, { single_access_token: true, warm: "always" });
  const { engine, credential, issuer, isLive } = staged;
  let served = 0;
  for (let asked = 0; asked < 2 * 3600; asked++) {
    for (const audience of ["one", "two"]) {
      try {
        const { accessToken } = await get(staged, { audience });
        t.true(isLive(accessToken));
        served++;
      } catch (error) {
        const { reason, message, retryAfterMs = 0 } = error as AuthdError;
        t.is(reason, "issuer_unavailable", message);
        t.true(retryAfterMs > 0);
        t.regex(message, /different scopes or audiences.*revokes the other's/);
      }
    }
    const { tokens = [] } = credential.info();
    t.true(tokens.filter(({ expiresAt }) => expiresAt !== null).length <= 1);
    engine.clock.advance(SECOND / 2);
    await until(() => credential.pendingRefreshes === 0);
  }
  t.true(issuer.requests.length <= 50, `${issuer.requests.length}`);
  t.true(served >= 2 * 3600, `${served}`);
  t.is(credential.state(), "ready");
});
