import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { grants } from "../../src/grants/index.ts";
import { acquire } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";

const OK = { json: { access_token: "abc", token_type: "bearer", expires_in: 3600 } };
const secrets = { client_secret: "s3cret/+" };

test("Labelf: Basic, an empty scope, and a lifetime of 99 years", async (t) => {
  const json = { access_token: "abc", expires_in: 3122063999, scope: "", token_type: "bearer" };
  const issuer = await startIssuer(t, { json });
  const settings = { token_url: issuer.url, client_id: "demo" };
  const acquired = await acquire(t, "client_credentials", { settings, secrets });
  t.is(acquired.expiresIn, 3_122_063_999);
  t.is(acquired.scope, undefined);
  t.is(acquired.tokenType, "Bearer");
  const [request] = issuer.requests;
  t.is(request!.method, "POST");
  t.is(request!.headers["content-type"], "application/x-www-form-urlencoded");
  t.is(request!.body, "grant_type=client_credentials");
  t.is(request!.headers.authorization, `Basic ${btoa("demo:s3cret%2F%2B")}`);
});

test("Realtyna: the client id in the body, and Basic that is not form-encoded", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = { token_url: issuer.url, client_id: "demo", client_auth: "basic_raw+post" };
  await acquire(t, "client_credentials", { settings, secrets });
  const [request] = issuer.requests;
  t.is(request!.body, "grant_type=client_credentials&client_id=demo");
  t.is(request!.headers.authorization, `Basic ${btoa("demo:s3cret/+")}`);
});

test("scope, audience, resources and extra parameters, with fields and secrets filled in", async (t) => {
  const issuer = await startIssuer(t, OK);
  await acquire(t, "client_credentials", {
    settings: {
      token_url: issuer.url,
      client_id: "demo",
      client_auth: "post",
      scope: "read write",
      audience: "https://api.example",
      resource: ["https://a.example", "https://b.example"],
      extra: { tenant: "{tenant}", key: "{secret.client_secret}", keep: "{x}", on: true, n: 7 },
    },
    fields: { tenant: "a&b" },
    secrets,
  });
  t.deepEqual(
    [...issuer.requests[0]!.form],
    [
      ["grant_type", "client_credentials"],
      ["client_id", "demo"],
      ["client_secret", "s3cret/+"],
      ["scope", "read write"],
      ["audience", "https://api.example"],
      ["resource", "https://a.example"],
      ["resource", "https://b.example"],
      ["tenant", "a&b"],
      ["key", "s3cret/+"],
      ["keep", "{x}"],
      ["on", "true"],
      ["n", "7"],
    ],
  );
});

test("a caller's scope and audience come before the credential's own", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = { token_url: issuer.url, client_id: "demo", scope: "all", audience: "one" };
  const wanted = { settings, secrets, scope: "read", audience: "two" };
  await acquire(t, "client_credentials", wanted);
  t.is(issuer.requests[0]!.form.get("scope"), "read");
  t.is(issuer.requests[0]!.form.get("audience"), "two");
});

test("a client secret that is missing asks for it, and sends nothing", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = { token_url: issuer.url, client_id: "demo", client_auth: "post" };
  const attempt = acquire(t, "client_credentials", { settings });
  const error = await t.throwsAsync(attempt, { instanceOf: AuthdError });
  t.is(error!.reason, "credential_rejected");
  t.deepEqual(error!.contact, { sent: false, answered: false });
  t.is(issuer.requests.length, 0);
});

test("the secret is asked for unless the client has none", (t) => {
  const { schema, secrets: asked } = grants.client_credentials;
  const settings = { token_url: "https://issuer.example/token", client_id: "demo" };
  t.deepEqual(
    asked(schema.parse(settings)).map(({ name }) => name),
    ["client_secret"],
  );
  t.deepEqual(asked(schema.parse({ ...settings, client_auth: "none" })), []);
});

test("unknown keys, methods and addresses are refused", (t) => {
  const { schema } = grants.client_credentials;
  const good = { token_url: "https://issuer.example/token", client_id: "demo" };
  t.true(schema.safeParse(good).success);
  for (const bad of [
    { ...good, client_secret: "x" },
    { ...good, token_uri: "x" },
    { ...good, client_auth: "digest" },
    { ...good, token_url: "ftp://issuer.example" },
    { ...good, token_url: "/token" },
    { token_url: good.token_url },
  ]) {
    t.false(schema.safeParse(bad).success, JSON.stringify(bad));
  }
});
