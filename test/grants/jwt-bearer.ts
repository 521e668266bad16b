import test from "ava";
import { jwtVerify } from "jose";
import { jwtBearer } from "../../src/grants/jwt-bearer.ts";
import { acquire } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { ecKey, rsaKey } from "../helpers/keys.ts";

const TOKEN = { json: { access_token: "one", token_type: "Bearer", expires_in: 3599 } };
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";

test("the JWT has the file's claims, filled in, and its own time", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { pem, publicKey } = rsaKey();
  const settings = {
    token_url: issuer.url,
    key_id: "k1",
    scope: "read",
    claims: { iss: "{account}", sub: "me@example.com", scope: "{scope}", tenant: { id: 7 } },
    assertion_lifetime: 120,
  };
  const fields = { account: "robot@example.com" };
  const acquired = await acquire(t, "jwt_bearer", { settings, fields, secrets: { key: pem } });
  t.is(acquired.expiresIn, 3_599);
  const { form } = issuer.requests[0]!;
  t.deepEqual([...form.keys()].sort(), ["assertion", "grant_type"]);
  t.is(form.get("grant_type"), GRANT);
  const { payload, protectedHeader } = await jwtVerify(form.get("assertion")!, publicKey);
  t.deepEqual(protectedHeader, { alg: "RS256", typ: "JWT", kid: "k1" });
  const { iat = 0, exp = 0, jti, ...claims } = payload;
  t.is(exp - iat, 120);
  t.is(typeof jti, "string");
  t.deepEqual(claims, {
    ...{ iss: "robot@example.com", sub: "me@example.com", aud: issuer.url },
    ...{ scope: "read", tenant: { id: 7 } },
  });
});

test("a caller's scope replaces that of the claims; without one there the form has it", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { pem, publicKey } = ecKey();
  const get = async (claims: Record<string, string>, scope?: string) => {
    const settings = { token_url: issuer.url, claims: { iss: "robot", ...claims }, scope: "own" };
    const wanted = { settings, secrets: { key: pem }, ...(scope && { scope }) };
    await acquire(t, "jwt_bearer", wanted);
    const { form } = issuer.requests.at(-1)!;
    const { payload } = await jwtVerify(form.get("assertion")!, publicKey);
    return [payload.scope, form.get("scope")];
  };
  t.deepEqual(await get({ scope: "{scope}" }), ["own", null]);
  t.deepEqual(await get({ scope: "{scope}" }, "other"), ["other", null]);
  t.deepEqual(await get({ scope: "fixed" }, "other"), ["other", null]);
  t.deepEqual(await get({}, "other"), [undefined, "other"]);
});

test("a client proves itself beside the JWT, with the key if it signs", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { pem, publicKey } = ecKey();
  const settings = {
    ...{ token_url: issuer.url, client_id: "reports", client_auth: "private_key_jwt" },
    claims: { sub: "me" },
  };
  await acquire(t, "jwt_bearer", { settings, secrets: { key: pem } });
  const { form } = issuer.requests[0]!;
  const own = await jwtVerify(form.get("assertion")!, publicKey);
  t.like(own.payload, { iss: "reports", sub: "me" });
  const client = await jwtVerify(form.get("client_assertion")!, publicKey);
  t.like(client.payload, { iss: "reports", sub: "reports" });
  t.deepEqual(
    jwtBearer.secrets(jwtBearer.schema.parse(settings)).map(({ name }) => name),
    ["key"],
  );
});

test("an issuer whose clock is apart gets the JWT once more; a lasting refusal is for a person", async (t) => {
  const issuerNow = Date.now() - 3_600_000;
  const issuer = await startIssuer(t, {
    status: 400,
    headers: { date: new Date(issuerNow).toUTCString() },
    json: { error: "invalid_grant", error_description: "Invalid JWT" },
  });
  const { pem, publicKey } = ecKey();
  const settings = { token_url: issuer.url, claims: { iss: "robot" } };
  const error = await t.throwsAsync(acquire(t, "jwt_bearer", { settings, secrets: { key: pem } }));
  t.like(error, { reason: "credential_rejected", oauth: { error: "invalid_grant" } });
  t.is(issuer.requests.length, 2);
  const { payload } = await jwtVerify(issuer.requests[1]!.form.get("assertion")!, publicKey, {
    currentDate: new Date(issuerNow),
  });
  t.true(Math.abs(payload.iat! * 1_000 - issuerNow) < 5_000);
});

test("what the JWT lacks, or must not say, is refused by name", (t) => {
  const why = (settings: Record<string, unknown>) =>
    jwtBearer.schema
      .safeParse({ token_url: "https://login.example/token", ...settings })
      .error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`)
      .join();
  t.regex(why({ claims: { sub: "me" } }) ?? "", /^claims.iss: is missing/);
  t.regex(why({ claims: { iss: "robot", algorithm: "HS256" }, algorithm: "HS256" }) ?? "", /suit/);
  t.regex(why({ claims: { iss: "robot", exp: 1 } }) ?? "", /claims/);
  t.is(why({ claims: { iss: "robot" }, key_id: "k1", assertion_lifetime: 60 }), undefined);
});
