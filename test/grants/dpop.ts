/** Tokens that are bound to a key (RFC 9449): at oidc-provider, and at issuers that want a nonce. */
import { createHash } from "node:crypto";
import test from "ava";
import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  importJWK,
  type JWK,
  jwtVerify,
} from "jose";
import { apiWantsNonce, createDpopKey, dpopProof, learnNonce } from "../../src/grants/dpop.ts";
import { acquire } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { CLIENT, startOidcProvider } from "../helpers/oidc.ts";

const secrets = { client_secret: "practice-secret" };
const settings = (token_url: string) => ({ token_url, client_id: "me", dpop: true });
const TOKEN = { json: { access_token: "one", token_type: "DPoP", expires_in: 600 } };

async function read(proof: string) {
  const { jwk, typ } = decodeProtectedHeader(proof);
  const { payload } = await jwtVerify(proof, await importJWK(jwk as JWK, "ES256"));
  return { typ, jwk: jwk as JWK, payload };
}

test("oidc-provider gives a token that is bound to the key, with and without a nonce", async (t) => {
  for (const requireNonce of [false, true]) {
    const nonce = { nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true };
    const dPoP = { enabled: true, ...(requireNonce ? nonce : {}) };
    const client = { dpop_bound_access_tokens: true };
    const token_url = await startOidcProvider(t, "client_secret_basic", {
      client,
      features: { dPoP },
    });
    const dpop = { key: createDpopKey(), nonces: new Map<string, string>() };
    const own = { token_url, client_id: CLIENT.id, dpop: true };
    const { tokenType } = await acquire(t, "client_credentials", {
      ...{ settings: own, dpop },
      secrets: { client_secret: CLIENT.secret },
    });
    t.is(tokenType, "DPoP");
    t.is(dpop.nonces.size, requireNonce ? 1 : 0);
  }
});

test("an issuer's nonce is learned, sent once more, and kept for the next request", async (t) => {
  const nonces: unknown[] = [];
  const issuer = await startIssuer(t, () => {
    const headers = { "dpop-nonce": "nonce-1" };
    if (issuer.requests.length > 1) return { ...TOKEN, headers };
    return { status: 400, headers, json: { error: "use_dpop_nonce" } };
  });
  const dpop = { key: createDpopKey(), nonces: new Map<string, string>() };
  for (let count = 0; count < 2; count++) {
    await acquire(t, "client_credentials", { settings: settings(issuer.url), secrets, dpop });
  }
  const ids = new Set<unknown>();
  for (const { headers } of issuer.requests) {
    const { payload, typ } = await read(String(headers.dpop));
    t.is(typ, "dpop+jwt");
    t.like(payload, { htm: "POST", htu: issuer.url });
    nonces.push(payload.nonce);
    ids.add(payload.jti);
  }
  t.deepEqual(nonces, [undefined, "nonce-1", "nonce-1"]);
  t.is(ids.size, 3);
});

test("an issuer that refuses every nonce is asked twice, not for ever", async (t) => {
  const issuer = await startIssuer(t, () => ({
    status: 400,
    headers: { "dpop-nonce": `nonce-${issuer.requests.length}` },
    json: { error: "use_dpop_nonce" },
  }));
  const dpop = { key: createDpopKey(), nonces: new Map<string, string>() };
  const asked = acquire(t, "client_credentials", { settings: settings(issuer.url), secrets, dpop });
  await t.throwsAsync(asked, { message: /use_dpop_nonce/ });
  t.is(issuer.requests.length, 2);
});

test("a token that is not bound is refused, and so is a bound one where none is wanted", async (t) => {
  const issuer = await startIssuer(t, { json: { ...TOKEN.json, token_type: "Bearer" } });
  const dpop = { key: createDpopKey(), nonces: new Map<string, string>() };
  const asked = acquire(t, "client_credentials", { settings: settings(issuer.url), secrets, dpop });
  await t.throwsAsync(asked, { message: /not bound to the key that dpop = true sends/ });
  issuer.answer(TOKEN);
  const plain = { token_url: issuer.url, client_id: "me" };
  await t.throwsAsync(acquire(t, "client_credentials", { settings: plain, secrets }), {
    message: /set dpop = true/,
  });
});

test("a proof for an API names method, address without query, and the token's digest", async (t) => {
  const dpop = { key: createDpopKey(), nonces: new Map([["https://api.example", "n"]]) };
  const url = "https://api.example/v1/me?secret=1#part";
  const proof = await dpopProof(dpop, { method: "GET", url, accessToken: "one", at: Date.now() });
  const { payload, jwk } = await read(proof);
  const ath = createHash("sha256").update("one").digest("base64url");
  t.like(payload, { htm: "GET", htu: "https://api.example/v1/me", ath, nonce: "n" });
  t.deepEqual(Object.keys(jwk).sort(), ["crv", "kty", "x", "y"]);
  t.is(await calculateJwkThumbprint(jwk), await calculateJwkThumbprint(JSON.parse(dpop.key)));
});

test("nonces are kept by origin; what is no nonce is not", (t) => {
  const nonces = new Map<string, string>();
  t.true(learnNonce(nonces, "https://a.example/x", { "dpop-nonce": "one" }));
  t.false(learnNonce(nonces, "https://a.example/y", { "dpop-nonce": "one" }));
  t.true(learnNonce(nonces, "https://a.example/y", { "dpop-nonce": "two" }));
  t.false(learnNonce(nonces, "https://b.example/", { "dpop-nonce": 'no"nonce' }));
  t.false(learnNonce(nonces, "https://b.example/", {}));
  t.deepEqual([...nonces], [["https://a.example", "two"]]);
  const challenge = 'DPoP error="use_dpop_nonce", error_description="x"';
  t.true(apiWantsNonce(401, { "www-authenticate": challenge }));
  t.true(apiWantsNonce(401, { "www-authenticate": 'DPoP algs="ES256", error="use_dpop_nonce"' }));
  t.false(apiWantsNonce(401, { "www-authenticate": 'DPoP error="invalid_token"' }));
  t.false(apiWantsNonce(403, { "www-authenticate": challenge }));
});
