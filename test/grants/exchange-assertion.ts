/** `{assertion}`: a JWT that an exchange signs, as for the installation of a GitHub App. */
import test from "ava";
import { jwtVerify } from "jose";
import { exchange } from "../../src/grants/exchange.ts";
import { acquire } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { rsaKey } from "../helpers/keys.ts";

/** The file of an app's installation, as docs/flows.md has it. */
const installation = (origin: string) => ({
  assertion: { claims: { iss: "{app_id}" }, lifetime: 540 },
  request: {
    url: `${origin}/app/installations/{installation_id}/access_tokens`,
    headers: { authorization: "Bearer {assertion}", accept: "application/vnd.github+json" },
  },
  response: { token: "/token", expires_at: "/expires_at" },
});
const fields = { app_id: "Iv23liabc", installation_id: "4711" };

test("a GitHub App's installation token", async (t) => {
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const json = { token: "installation", expires_at: expires };
  const issuer = await startIssuer(t, { status: 201, json });
  const { privateKey, publicKey } = rsaKey();
  const key = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
  const settings = installation(issuer.origin);
  const acquired = await acquire(t, "exchange", { settings, fields, secrets: { key } });
  t.is(acquired.accessToken, "installation");
  t.true(Math.abs(Number(acquired.expiresIn) - 3_600) < 5);
  const { path, headers } = issuer.requests[0]!;
  t.is(path, "/app/installations/4711/access_tokens");
  const { payload } = await jwtVerify(headers.authorization!.slice("Bearer ".length), publicKey);
  t.is(payload.iss, "Iv23liabc");
  t.is(payload.exp! - payload.iat!, 540);
});

test("an API whose clock is apart gets the JWT once more, by its own clock", async (t) => {
  const issuerNow = Date.now() - 900_000;
  const headers = { date: new Date(issuerNow).toUTCString() };
  const refusal = { status: 401, headers, json: { message: "'iat' is in the future" } };
  const issuer = await startIssuer(t, () =>
    issuer.requests.length === 1 ? refusal : { status: 201, headers, json: { token: "one" } },
  );
  const { response: _, ...rest } = installation(issuer.origin);
  const settings = { ...rest, response: { token: "/token" } };
  const secrets = { key: rsaKey().pem };
  const { accessToken } = await acquire(t, "exchange", { settings, fields, secrets });
  t.is(accessToken, "one");
  t.is(issuer.requests.length, 2);
});

test("a refusal does not quote the JWT; without a key nothing is sent", async (t) => {
  const issuer = await startIssuer(t, ({ headers }) => ({
    status: 401,
    json: { message: `Bad credentials: ${headers.authorization}` },
  }));
  const settings = installation(issuer.origin);
  const get = (secrets: Record<string, string>) =>
    acquire(t, "exchange", { settings, fields, secrets });
  const refused = await t.throwsAsync(get({ key: rsaKey().pem }));
  t.false(refused.message.includes("eyJ"));
  t.is(issuer.requests.length, 1);
  const missing = await t.throwsAsync(get({}), { message: /"key" is missing/ });
  t.like(missing, { reason: "credential_rejected" });
  t.is(issuer.requests.length, 1);
});

test("the key is asked for where there is an assertion", (t) => {
  const names = (settings: Record<string, unknown>) =>
    exchange.secrets(exchange.schema.parse(settings)).map(({ name }) => name);
  const { assertion, ...without } = installation("https://api.github.com");
  t.deepEqual(names({ assertion, ...without }), ["key"]);
  t.deepEqual(names(without), []);
});
