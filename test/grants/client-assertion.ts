/** Clients that sign: what goes out, and whether oidc-provider accepts it. */
import { createPublicKey } from "node:crypto";
import test from "ava";
import { decodeProtectedHeader, jwtVerify } from "jose";
import { clientCredentials } from "../../src/grants/client-credentials.ts";
import { acquire } from "../helpers/acquire.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { ecKey, edKey, rsaKey } from "../helpers/keys.ts";
import { CLIENT, startOidcProvider } from "../helpers/oidc.ts";

const TOKEN = { json: { access_token: "one", token_type: "bearer", expires_in: 600 } };
const signing = { client_id: "reports", client_auth: "private_key_jwt" };

test("private_key_jwt with every kind of key, against oidc-provider", async (t) => {
  for (const [key, algorithm] of [
    [rsaKey(), undefined],
    [rsaKey(), "PS256"],
    [ecKey(), undefined],
    [edKey(), undefined],
  ] as const) {
    const jwk = { ...key.publicJwk, use: "sig", kid: "mine" };
    const client = { client_secret: undefined, jwks: { keys: [jwk] } };
    const token_url = await startOidcProvider(t, "private_key_jwt", { client });
    for (const text of [key.pem, JSON.stringify(key.jwk)]) {
      const settings = { token_url, ...signing, client_id: CLIENT.id, algorithm, scope: "read" };
      const acquired = await acquire(t, "client_credentials", { settings, secrets: { key: text } });
      t.is(acquired.scope, "read");
    }
  }
});

test("client_secret_jwt against oidc-provider", async (t) => {
  const client_secret = "a practice secret of at least 32 bytes";
  const token_url = await startOidcProvider(t, "client_secret_jwt", { client: { client_secret } });
  const settings = { token_url, client_id: CLIENT.id, client_auth: "client_secret_jwt" };
  const acquired = await acquire(t, "client_credentials", { settings, secrets: { client_secret } });
  t.is(acquired.expiresIn, 600);
});

test("an issuer that knows another key refuses the client for good", async (t) => {
  const jwks = { keys: [{ ...ecKey().publicJwk, use: "sig" }] };
  const client = { client_secret: undefined, jwks };
  const token_url = await startOidcProvider(t, "private_key_jwt", { client });
  const settings = { token_url, ...signing, client_id: CLIENT.id };
  const error = await t.throwsAsync(
    acquire(t, "client_credentials", { settings, secrets: { key: ecKey().pem } }),
  );
  t.like(error, { reason: "credential_rejected", oauth: { error: "invalid_client" } });
});

test("the JWT says who the client is, for which issuer, once and for a minute", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { pem, publicKey } = ecKey();
  const now = Date.now();
  const settings = { token_url: issuer.url, ...signing, key_id: "k1" };
  for (const assertion_audience of [undefined, "https://login.example/"]) {
    await acquire(t, "client_credentials", {
      settings: { ...settings, assertion_audience },
      secrets: { key: pem },
      now,
    });
  }
  const [first, second] = await Promise.all(
    issuer.requests.map(({ form }) => jwtVerify(form.get("client_assertion")!, publicKey)),
  );
  const { iss, sub, aud, iat, exp, jti } = first!.payload;
  t.deepEqual([iss, sub, aud], ["reports", "reports", issuer.url]);
  t.deepEqual([iat, exp], [Math.floor(now / 1_000), Math.floor(now / 1_000) + 60]);
  t.is(second!.payload.aud, "https://login.example/");
  t.not(second!.payload.jti, jti);
  t.deepEqual(first!.protectedHeader, { alg: "ES256", typ: "JWT", kid: "k1" });
  t.is(issuer.requests[0]!.form.get("client_id"), "reports");
  t.is(issuer.requests[0]!.headers.authorization, undefined);
});

test("a certificate's SHA-256 is in the header, and must be the key's", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const { key, cert } = createAuthority().issue("reports");
  const settings = { token_url: issuer.url, ...signing, certificate: cert };
  await acquire(t, "client_credentials", { settings, secrets: { key } });
  const assertion = issuer.requests[0]!.form.get("client_assertion")!;
  t.regex(String(decodeProtectedHeader(assertion)["x5t#S256"]), /^[\w-]{43}$/);
  await t.notThrowsAsync(jwtVerify(assertion, createPublicKey(key)));
  const other = acquire(t, "client_credentials", { settings, secrets: { key: ecKey().pem } });
  const error = await t.throwsAsync(other, { message: /another key/ });
  t.like(error, { reason: "credential_rejected" });
  t.is(issuer.requests.length, 1);
});

test("an issuer whose clock is apart gets the JWT once more, by its own clock", async (t) => {
  const now = Date.now();
  const issuerNow = now + 600_000;
  const { pem, publicKey } = ecKey();
  const headers = { date: new Date(issuerNow).toUTCString() };
  const issuer = await startIssuer(t, () =>
    issuer.requests.length === 1
      ? { status: 401, headers, json: { error: "invalid_client" } }
      : { ...TOKEN, headers },
  );
  const settings = { token_url: issuer.url, ...signing };
  const { accessToken } = await acquire(t, "client_credentials", {
    settings,
    secrets: { key: pem },
    now,
  });
  t.is(accessToken, "one");
  const { payload } = await jwtVerify(
    issuer.requests[1]!.form.get("client_assertion")!,
    publicKey,
    { currentDate: new Date(issuerNow) },
  );
  t.true(Math.abs(payload.iat! * 1_000 - issuerNow) < 5_000);
});

test("a refusal without another clock is not repeated, nor quoted with the JWT in it", async (t) => {
  const issuer = await startIssuer(t, ({ form }) => ({
    status: 401,
    json: { error: "invalid_client", error_description: `no ${form.get("client_assertion")}` },
  }));
  const settings = { token_url: issuer.url, ...signing };
  const error = await t.throwsAsync(
    acquire(t, "client_credentials", { settings, secrets: { key: ecKey().pem } }),
  );
  t.is(issuer.requests.length, 1);
  t.false(JSON.stringify(error).includes("eyJ"));
  t.false(error.message.includes("eyJ"));
});

test("keys that contradict each other are refused by name", (t) => {
  const base = { token_url: "https://login.example/token", client_id: "reports" };
  const why = (settings: Record<string, unknown>) =>
    clientCredentials.schema
      .safeParse({ ...base, ...settings })
      .error?.issues.map(({ path, message }) => `${path}: ${message}`)
      .join();
  t.regex(why({ key_id: "k1" }) ?? "", /^key_id: has no use without client_auth/);
  t.regex(why({ ...signing, algorithm: "HS256" }) ?? "", /^algorithm: does not suit/);
  const secret = { client_auth: "client_secret_jwt" };
  t.regex(why({ ...secret, algorithm: "RS256" }) ?? "", /^algorithm: does not suit/);
  t.regex(why({ ...signing, certificate: "none" }) ?? "", /^certificate: is no certificate in PEM/);
  t.regex(why({ client_id: undefined, client_auth: "tls" }) ?? "", /client_id/);
  t.is(why({ ...signing, algorithm: "ES256", key_id: "k1" }), undefined);
});

test("a key is checked when it is entered, and never quoted", (t) => {
  const why = (value: string) => clientCredentials.whyUnfitSecret?.("key", value);
  t.is(why(ecKey().pem), undefined);
  t.is(why(JSON.stringify(rsaKey().jwk)), undefined);
  const broken = "-----BEGIN PRIVATE KEY-----\ntell nobody\n-----END PRIVATE KEY-----";
  t.regex(why(broken) ?? "", /neither in PEM nor as JWK$/);
  t.is(why("a gateway's key"), undefined);
  t.regex(why(JSON.stringify(ecKey().publicJwk)) ?? "", /no private key/);
  const options = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "p" } as const;
  t.regex(why(ecKey().privateKey.export(options).toString()) ?? "", /encrypted key/);
});

test("an algorithm that a key can't sign with is told before anything is sent", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const settings = { token_url: issuer.url, ...signing, algorithm: "RS256" };
  const error = await t.throwsAsync(
    acquire(t, "client_credentials", { settings, secrets: { key: ecKey().pem } }),
    { message: /can't sign with RS256: set algorithm/ },
  );
  t.like(error, { reason: "credential_rejected" });
  t.is(issuer.requests.length, 0);
});
