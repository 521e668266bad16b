import test, { type ExecutionContext } from "ava";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { checkIdToken } from "../../../src/grants/login/id-token.ts";
import type { LoginContext } from "../../../src/grants/login/settings.ts";

const ISSUER = "https://login.example";
const NOW = Date.parse("2026-06-01T12:00:00Z");
const [ISSUED_AT, HOUR] = [NOW / 1_000, 3_600];

/** An issuer's key, and an ID token check against it. */
async function setup(t: ExecutionContext, settings: object = {}, secret?: string) {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const keys = [{ ...(await exportJWK(publicKey)), alg: "ES256", kid: "one" }];
  const context = {
    credential: "mail",
    settings: { client_id: "app", ...settings },
    secrets: secret === undefined ? {} : { client_secret: secret },
    metadata: { issuer: ISSUER, jwks_uri: `${ISSUER}/keys` },
    send: async () => ({ status: 200, headers: {}, text: JSON.stringify({ keys }) }),
  } as unknown as LoginContext;
  const claims = {
    ...{ iss: ISSUER, sub: "42", aud: "app", nonce: "n" },
    ...{ iat: ISSUED_AT, exp: ISSUED_AT + HOUR },
  };
  const sign = async (
    more: JWTPayload,
    key: Parameters<SignJWT["sign"]>[0] = privateKey,
    alg = "ES256",
  ) => await new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg, kid: "one" }).sign(key);
  const check = (idToken: string) => checkIdToken(context, { idToken, nonce: "n", issuerNow: NOW });
  const refuses = async (more: JWTPayload, message: RegExp) => {
    const error = await t.throwsAsync(check(await sign(more)));
    t.regex(error?.message ?? "", message);
  };
  return { sign, check, refuses, claims };
}

test("names the account, in words for people where there are any", async (t) => {
  const { sign, check } = await setup(t);
  t.deepEqual(await check(await sign({})), { iss: ISSUER, sub: "42" });
  const named = await check(await sign({ email: "ada@example.com", name: "Ada" }));
  t.is(named.name, "ada@example.com");
});

test("refuses another issuer, client, nonce or time", async (t) => {
  const { refuses } = await setup(t);
  await refuses({ iss: "https://evil.example" }, /not valid/);
  await refuses({ aud: "another" }, /not valid/);
  await refuses({ aud: ["app", "another"] }, /another client/);
  await refuses({ azp: "another" }, /another client/);
  await refuses({ nonce: "other" }, /nonce/);
  await refuses({ nonce: undefined }, /nonce/);
  await refuses({ exp: ISSUED_AT - HOUR }, /not valid/);
  await refuses({ sub: "" }, /names nobody/);
});

test("refuses another key, no signature, and a secret that is guessed", async (t) => {
  const { sign, check, claims } = await setup(t);
  const { privateKey } = await generateKeyPair("ES256");
  await t.throwsAsync(check(await sign({}, privateKey)), { message: /not valid/ });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = `${part({ alg: "none" })}.${part(claims)}.`;
  await t.throwsAsync(check(unsigned), { message: /not valid/ });
  const guessed = new TextEncoder().encode("guessed-secret-of-32-bytes-or-more");
  await t.throwsAsync(check(await sign({}, guessed, "HS256")), { message: /not valid/ });
  await t.throwsAsync(check("no token"), { message: /not valid/ });
});

test("takes a signature by the client's secret", async (t) => {
  const secret = "a client secret of 32 bytes or more";
  const { sign, check } = await setup(t, {}, secret);
  const token = await sign({}, new TextEncoder().encode(secret), "HS256");
  t.is((await check(token)).sub, "42");
});

test("max_age: a sign-in that is older is refused, and so is one that does not say", async (t) => {
  const { sign, check, refuses } = await setup(t, { max_age: 600 });
  t.is((await check(await sign({ auth_time: ISSUED_AT - 500 }))).sub, "42");
  await refuses({ auth_time: ISSUED_AT - 700 }, /older than max_age/);
  await refuses({}, /older than max_age/);
});
