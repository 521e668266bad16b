import test, { type ExecutionContext } from "ava";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const TOKEN = "the-token-of-this-test";
const SECRET = "the-secret-of-this-test";

/** A credential of a program, whose issuer answers introspection requests with `answer`. */
async function setup(t: ExecutionContext, answer: StubResponse, own: Record<string, string> = {}) {
  const issuer = await startIssuer(t, ({ path: url }) => {
    if (url === "/introspect") return answer;
    if (url.startsWith("/.well-known/openid")) {
      const json = { issuer: issuer.origin, introspection_endpoint: `${issuer.origin}/introspect` };
      return { json };
    }
    return { json: { access_token: TOKEN, token_type: "bearer", expires_in: 3600 } };
  });
  const engine = await startTestRegistry(t);
  const given = Object.entries(own).map(([key, value]) => [
    key,
    value.replace("ISSUER", issuer.origin),
  ]);
  const file = {
    ...{ grant: "client_credentials", token_url: `${issuer.origin}/token`, client_id: "app" },
    ...Object.fromEntries(given),
  };
  const credential = await engine.add("jobs", file, { client_secret: SECRET });
  return { issuer, credential, ask: () => credential.introspect({ timeoutMs: 5_000 }) };
}

const BY_FILE = { introspection_url: "ISSUER/introspect" };

test("what would be a token or a secret is left out of the issuer's answer", async (t) => {
  const json = {
    active: true,
    scope: "read",
    cnf: { jkt: "key" },
    token: TOKEN,
    echo: [TOKEN],
    hint: Buffer.from(SECRET).toString("base64"),
    access_token: "another",
    assertion: "eyJhbGciOiJub25lIn0.e30.",
  };
  const { ask, issuer } = await setup(t, { json }, BY_FILE);
  t.deepEqual(await ask(), {
    active: true,
    members: { active: true, scope: "read", cnf: { jkt: "key" } },
  });
  const request = issuer.requests.at(-1);
  t.is(request?.headers.authorization, `Basic ${Buffer.from(`app:${SECRET}`).toString("base64")}`);
  t.is(request?.body, `token=${TOKEN}&token_type_hint=access_token`);
});

test("the issuer's metadata name the address, also where tokens are had without them", async (t) => {
  const { ask } = await setup(t, { json: { active: false } }, { issuer: "ISSUER" });
  t.deepEqual(await ask(), { active: false, members: { active: false } });
});

test("no address, a refusal and a page name the next step; the token stays in use", async (t) => {
  const none = await setup(t, {});
  await t.throwsAsync(none.ask(), { message: /--set introspection_url=…/ });
  const refusal = { status: 401, json: { error: "invalid_client" } };
  const refused = await setup(t, refusal, BY_FILE);
  await t.throwsAsync(refused.ask(), { message: /could not be introspected.*invalid_client/ });
  t.is((await refused.credential.token({ timeoutMs: 1_000 })).accessToken, TOKEN);
  t.is(refused.credential.state(), "ready");
  const page = await setup(t, { body: "<p>Welcome</p>" }, BY_FILE);
  await t.throwsAsync(page.ask(), { message: /does not say whether the token is active/ });
});
