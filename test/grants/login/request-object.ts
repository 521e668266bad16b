import test from "ava";
import { exportJWK, exportPKCS8, generateKeyPair, jwtVerify } from "jose";
import { signRequest } from "../../../src/grants/login/request-object.ts";
import type { LoginContext } from "../../../src/grants/login/settings.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");

const contextWith = (settings: object, secrets: Record<string, string>) =>
  ({
    credential: "mail",
    settings: {
      client_id: "app",
      authorization_url: "https://login.example/authorize",
      ...settings,
    },
    secrets,
    now: NOW,
  }) as unknown as LoginContext;

const parameters = new URLSearchParams([
  ["state", "s"],
  ["resource", "https://a.example"],
  ["resource", "https://b.example"],
]);

for (const form of ["PEM", "JWK"]) {
  test(`signs with a private key, as ${form}`, async (t) => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const key =
      form === "PEM" ? await exportPKCS8(privateKey) : JSON.stringify(await exportJWK(privateKey));
    const context = contextWith({ request_object_alg: "ES256" }, { request_object_key: key });
    const { payload, protectedHeader } = await jwtVerify(
      await signRequest(context, parameters),
      publicKey,
      { currentDate: new Date(NOW), issuer: "app", audience: "https://login.example" },
    );
    t.like(protectedHeader, { alg: "ES256", typ: "oauth-authz-req+jwt" });
    t.like(payload, { state: "s", resource: ["https://a.example", "https://b.example"] });
    t.is((payload.exp ?? 0) - (payload.iat ?? 0), 60);
  });
}

test("a key that does not fit is not quoted", async (t) => {
  const secret = "-----BEGIN PRIVATE KEY-----\nnot-a-key-at-all\n-----END PRIVATE KEY-----";
  for (const request_object_key of [secret, '{"kty":"not-a-key-at-all"}', "", "not-a-key-at-all"]) {
    const context = contextWith({ request_object_alg: "PS256" }, { request_object_key });
    const error = await t.throwsAsync(signRequest(context, parameters));
    t.regex(error?.message ?? "", /request_object_key/);
    t.false(error?.message.includes("not-a-key"));
  }
});

test("a key's id is in the header, and max_age is a number", async (t) => {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const key = JSON.stringify({ ...(await exportJWK(privateKey)), kid: "two" });
  const context = contextWith({ request_object_alg: "ES256" }, { request_object_key: key });
  const signed = await signRequest(context, new URLSearchParams({ max_age: "60", state: "7" }));
  const { payload, protectedHeader } = await jwtVerify(signed, publicKey, {
    currentDate: new Date(NOW),
  });
  t.is(protectedHeader.kid, "two");
  t.like(payload, { max_age: 60, state: "7" });
});
