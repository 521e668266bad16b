/** Sign-ins whose tokens only their holder can use: bound to a key (RFC 9449), or to a certificate (RFC 8705). */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { calculateJwkThumbprint, decodeProtectedHeader, type JWK } from "jose";
import { agreed } from "../../helpers/admin.ts";
import { createAuthority } from "../../helpers/certificates.ts";
import { startLoginService, TestClient } from "../../helpers/login-client.ts";
import { absent, missing } from "../../helpers/optional.ts";
import { signInAt } from "../../helpers/person.ts";
import { PUBLIC_CLIENT, startSignInIssuer } from "../../helpers/sign-in-issuer.ts";
import { startTestRegistry } from "../../helpers/test-registry.ts";

/** Signs in as Ada with a browser. */
async function signIn(t: ExecutionContext, logins: ReturnType<typeof startLoginService>) {
  const client = new TestClient();
  const { login, url } = await logins.start({ credential: "mail", how: "browser" }, client);
  const page = await signInAt(url ?? "", { name: "ada" });
  t.is(page.status, 200, page.body);
  t.like(await logins.finish({ login }, client), {
    state: "ready",
    login: { account: "ada@example.com" },
  });
  return new URL(url ?? "");
}

for (const [how, isPushed, nonce] of [
  ["without nonces", false, {}],
  ["pushed, without nonces", true, {}],
  ["with nonces", true, { nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true }],
] as const) {
  test(`oidc-provider, ${how}: the code is bound to the key, and renewals keep to it`, async (t) => {
    const issuer = await startSignInIssuer(t, {
      features: { dPoP: { enabled: true, ...nonce } },
    });
    const engine = await startTestRegistry(t);
    const credential = await engine.add(
      "mail",
      {
        ...{ grant: "authorization_code", issuer: issuer.url, client_id: PUBLIC_CLIENT },
        ...{
          scope: "openid email offline_access",
          prompt: "consent",
          dpop: true,
          push_request: isPushed,
        },
        extra_authorization: { claims: '{"id_token": {"email": null}}' },
      },
      {},
    );
    const logins = startLoginService(t, engine);
    const url = await signIn(t, logins);
    const key = JSON.parse(credential.record.dpopKey ?? "") as JWK;
    // Pushed, it is at the issuer, which refuses the code with any other key.
    const wanted = isPushed ? null : await calculateJwkThumbprint(key);
    t.is(url.searchParams.get("dpop_jkt"), wanted);
    const first = await credential.token({});
    t.is(first.answer.tokenType, "DPoP");
    engine.clock.advance(5_000);
    const renewed = await credential.token({ forceRefresh: true, timeoutMs: 60_000 });
    t.not(renewed.accessToken, first.accessToken);
    const proof = (await credential.prover?.prove("GET", `${issuer.url}/me`, "x")) ?? "";
    const { jwk } = decodeProtectedHeader(proof);
    t.is(await calculateJwkThumbprint(jwk as JWK), await calculateJwkThumbprint(key));
    // Another start of the daemon has the same key.
    const again = await engine.restart();
    t.is(again.registry.add(credential.settings).record.dpopKey, credential.record.dpopKey);
  });
}

/** An issuer whose addresses for clients with a certificate are at a server of their own; notes who asked where. */
async function startMtlsIssuer(t: ExecutionContext) {
  const authority = createAuthority();
  const seen: string[] = [];
  const { key, cert } = authority.issue("127.0.0.1");
  const start = async (
    options: ServerOptions,
    answer: (path: string, form: URLSearchParams) => unknown,
  ) => {
    const server = createServer({ key, cert, ...options }, async (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      const path = request.url ?? "";
      const form = new URLSearchParams(await text(request));
      seen.push(`${path} ${[subject?.CN].flat().join() || "nobody"}`);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answer(path, form)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    t.teardown(() => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    });
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  let tokens = 0;
  const mtls = await start(
    { ca: authority.ca, requestCert: true, rejectUnauthorized: true },
    (path) =>
      path === "/par"
        ? { request_uri: "urn:example:1", expires_in: 60 }
        : {
            access_token: `token-${++tokens}`,
            refresh_token: `refresh-${tokens}`,
            expires_in: 600,
          },
  );
  const url: string = await start(
    { ca: authority.ca, requestCert: true, rejectUnauthorized: false },
    () => ({
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      pushed_authorization_request_endpoint: `${url}/par`,
      revocation_endpoint: `${url}/revoke`,
      mtls_endpoint_aliases: {
        token_endpoint: `${mtls}/token`,
        pushed_authorization_request_endpoint: `${mtls}/par`,
        revocation_endpoint: `${mtls}/revoke`,
      },
    }),
  );
  return { authority, seen, url };
}

for (const format of ["PEM", "PKCS #12"]) {
  test(`a certificate in ${format}: the issuer's addresses for such clients are taken, but for the browser's`, async (t) => {
    if (format !== "PEM" && absent("openssl").length > 0)
      return missing(t, "openssl is not installed");
    const { authority, seen, url } = await startMtlsIssuer(t);
    const engine = await startTestRegistry(t);
    const ca_file = join(engine.dir, "ca.pem");
    writeFileSync(ca_file, authority.ca);
    const { key, cert } = authority.issue("app");
    const secrets =
      format === "PEM"
        ? { tls_certificate: `${cert}\n${key}` }
        : { tls_certificate: pkcs12(engine.dir, `${cert}\n${key}`), tls_passphrase: "practice" };
    const file = {
      ...{
        grant: "authorization_code",
        issuer: url,
        client_id: "app",
        client_auth: "tls",
        ca_file,
      },
      redirect_uri: "http://127.0.0.1/callback",
    };
    const credential = await engine.add("mail", file, secrets);
    const logins = startLoginService(t, engine);
    const client = new TestClient();
    const started = await logins.start({ credential: "mail", how: "paste" }, client);
    const asked = new URL(started.url ?? "");
    t.is(asked.origin, url);
    t.is(asked.searchParams.get("request_uri"), "urn:example:1");
    const pushed = await logins.start({ credential: "mail", how: "browser" }, client);
    t.truthy(pushed.url);
    t.deepEqual(new Set(seen), new Set(["/.well-known/openid-configuration nobody", "/par app"]));
    logins.cancel({ login: pushed.login }, client);
    seen.length = 0;
    // The pushed request has the state; without a push it is in the link.
    await engine.add("plain", { ...file, push_request: false }, secrets);
    const open = await logins.start({ credential: "plain", how: "browser" }, client);
    const { searchParams } = new URL(open.url ?? "");
    const callback = new URL(searchParams.get("redirect_uri") ?? "");
    callback.search = `${new URLSearchParams({ code: "c", state: searchParams.get("state") ?? "" })}`;
    t.is((await fetch(callback)).status, 200);
    await logins.finish({ login: open.login }, client);
    const plain = engine.registry.get("plain");
    t.is((await plain.token({})).accessToken, "token-1");
    engine.clock.advance(5_000);
    t.is((await plain.token({ forceRefresh: true, timeoutMs: 60_000 })).accessToken, "token-2");
    t.true((await logins.logout("plain", agreed)).revoked);
    const sent = seen.filter((line) => !line.startsWith("/.well-known"));
    t.deepEqual(sent, ["/token app", "/token app", "/revoke app", "/revoke app"]);
    return t.truthy(credential);
  });
}

/** Returns a certificate with its key, as PKCS #12 in base64. */
function pkcs12(folder: string, pem: string): string {
  const [input, output] = [join(folder, "both.pem"), join(folder, "both.p12")];
  writeFileSync(input, pem, { mode: 0o600 });
  execFileSync("openssl", [
    ...["pkcs12", "-export", "-in", input, "-inkey", input],
    ...["-out", output, "-passout", "pass:practice"],
  ]);
  return readFileSync(output).toString("base64");
}
