import test, { type ExecutionContext } from "ava";
import type { IssuerMetadata } from "../../../src/grants/login/metadata.ts";
import { registerClient } from "../../../src/grants/login/registration.ts";
import { createHttp } from "../../../src/http/http.ts";
import { createIssuerSend } from "../../../src/http/issuer.ts";
import { type StubResponse, startIssuer } from "../../helpers/issuer.ts";

const redirectUri = "http://127.0.0.1:50000/callback";

async function setup(t: ExecutionContext, response: StubResponse) {
  const issuer = await startIssuer(t, response);
  const http = createHttp();
  t.teardown(() => http.close());
  const send = createIssuerSend({ http, credential: "notes", allowInsecureHttp: false });
  const register = (more: Partial<IssuerMetadata> = {}) => {
    const metadata = { issuer: "https://i.example", registration_endpoint: issuer.url, ...more };
    return registerClient({ credential: "notes", metadata, redirectUri, send });
  };
  const sent = () => JSON.parse(issuer.requests.at(-1)?.body ?? "") as Record<string, unknown>;
  return { issuer, register, sent };
}

const created = (json: object): StubResponse => ({ status: 201, json });

test("a native client is registered, without a secret where the issuer takes that", async (t) => {
  const { register, sent } = await setup(t, created({ client_id: "made" }));
  const methods = ["client_secret_post", "none"];
  const client = await register({ token_endpoint_auth_methods_supported: methods });
  t.deepEqual(client, { clientId: "made", clientAuth: "none" });
  t.deepEqual(sent(), {
    client_name: "authd",
    application_type: "native",
    redirect_uris: [redirectUri],
    response_types: ["code"],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  });
  await register({ token_endpoint_auth_methods_supported: ["client_secret_post"] }).catch(() => {});
  t.is(sent().token_endpoint_auth_method, "client_secret_post");
});

test("what the issuer answers counts, not what was asked for", async (t) => {
  const { register } = await setup(
    t,
    created({
      client_id: "made",
      client_secret: "made-for-a-test",
      client_secret_expires_at: 2_000_000_000,
      token_endpoint_auth_method: "client_secret_post",
      registration_access_token: "manages-it",
      registration_client_uri: "https://i.example/clients/made",
    }),
  );
  t.deepEqual(await register({ token_endpoint_auth_methods_supported: ["none"] }), {
    clientId: "made",
    clientAuth: "client_secret_post",
    clientSecret: "made-for-a-test",
    secretExpiresAt: 2_000_000_000_000,
    accessToken: "manages-it",
    managementUrl: "https://i.example/clients/made",
  });
});

test("a secret's end that is no date of a calendar counts as none", async (t) => {
  for (const ends of [1e12, 1e20, 253_402_300_800]) {
    const { register } = await setup(
      t,
      created({ client_id: "made", client_secret: "made-here", client_secret_expires_at: ends }),
    );
    t.is((await register()).secretExpiresAt, undefined, String(ends));
  }
});

test("grants and the ID token's algorithm are those that the issuer has", async (t) => {
  const { register, sent } = await setup(t, created({ client_id: "made" }));
  const device = "urn:ietf:params:oauth:grant-type:device_code";
  await register({
    token_endpoint_auth_methods_supported: ["none"],
    grant_types_supported: ["authorization_code", device],
    device_authorization_endpoint: "https://i.example/device",
    id_token_signing_alg_values_supported: ["HS256", "ES256"],
  });
  t.deepEqual(sent().grant_types, ["authorization_code", device]);
  t.is(sent().id_token_signed_response_alg, "ES256");
});

test("a refusal, an answer without a client, and no registration at all name the next step", async (t) => {
  const refusal = { error: "invalid_redirect_uri", error_description: "no loopback here" };
  const next = /--set client_id=YOUR-CLIENT-ID/;
  const cases: [StubResponse, RegExp][] = [
    [{ status: 400, json: refusal }, /refused \(invalid_redirect_uri: "no loopback here"\)/],
    [{ status: 401, json: {} }, /without a token of its own \(HTTP 401\)/],
    [{ status: 200, body: "<p>Welcome</p>" }, /HTTP 200 without a client/],
    [{ status: 503, body: "" }, /HTTP 503/],
    [
      created({ client_id: "made", token_endpoint_auth_method: "private_key_jwt" }),
      /private_key_jwt/,
    ],
    [created({ client_id: "made", token_endpoint_auth_method: "client_secret_post" }), /no secret/],
  ];
  for (const [response, what] of cases) {
    const { register } = await setup(t, response);
    const error = await t.throwsAsync(register());
    t.regex(error?.message ?? "", what);
    t.regex(error?.message ?? "", next);
  }
  const { register } = await setup(t, created({}));
  const none = { registration_endpoint: undefined } as unknown as Partial<IssuerMetadata>;
  await t.throwsAsync(register(none), {
    message: /registers no clients by itself.*YOUR-CLIENT-ID/,
  });
});
