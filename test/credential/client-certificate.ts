/** Mutual TLS (RFC 8705): the issuer and the API know the client by its certificate. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import test from "ava";
import { authorizedRequest } from "../../src/request/request.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { absent, missing } from "../helpers/optional.ts";
import type { Scope } from "../helpers/scope.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

/** An issuer and API in one, which takes only clients with a certificate of its authority; tells who asked. */
async function startServer(t: Scope) {
  const authority = createAuthority();
  const names: string[] = [];
  const { key, cert } = authority.issue("127.0.0.1");
  const options = { key, cert, ca: authority.ca, requestCert: true, rejectUnauthorized: true };
  const server = createServer(options, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    names.push(`${request.url} ${[subject?.CN].flat().join()}`);
    response.setHeader("content-type", "application/json");
    response.end('{"access_token": "one", "token_type": "Bearer", "expires_in": 600}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { authority, names, origin };
}

async function prepare(t: Scope) {
  const server = await startServer(t);
  const registry = await startTestRegistry(t);
  const ca_file = join(registry.dir, "ca.pem");
  writeFileSync(ca_file, server.authority.ca);
  const file = {
    ...{ grant: "client_credentials", token_url: `${server.origin}/token`, client_id: "reports" },
    ...{ client_auth: "tls", origins: [server.origin], ca_file },
  };
  const pem = (name: string) => {
    const { key, cert } = server.authority.issue(name);
    return `${cert}\n${key}`;
  };
  return { ...server, ...registry, file, pem };
}

test("token requests and requests to the API show the certificate, each credential its own", async (t) => {
  const { names, origin, add, file, pem, http } = await prepare(t);
  for (const name of ["first", "second"]) {
    const credential = await add(name, file, { tls_certificate: pem(name) });
    const params = { credential: name, url: `${origin}/me` };
    const { signal } = new AbortController();
    const { status } = await authorizedRequest(credential, http, params, { signal });
    t.is(status, 200);
  }
  t.deepEqual(names, ["/token first", "/me first", "/token second", "/me second"]);
});

test("without a certificate, or with one that is none, nothing is sent", async (t) => {
  const { names, add, file } = await prepare(t);
  for (const [name, secrets, wanted] of [
    ["text", { tls_certificate: "tell nobody" }, /neither a certificate with its key in PEM/],
    ["none", {}, /tls_certificate/],
  ] as const) {
    const credential = await add(name, file, secrets);
    const error = await t.throwsAsync(async () => credential.token({}), { message: wanted });
    t.false(error.message.includes("tell nobody"));
  }
  t.deepEqual(names, []);
});

test("a server that takes no certificate but its authority's refuses another's", async (t) => {
  const { names, add, file } = await prepare(t);
  const { key, cert } = createAuthority("Another authority").issue("stranger");
  const credential = await add("work", file, { tls_certificate: `${cert}\n${key}` });
  const error = await t.throwsAsync(async () => credential.token({}));
  t.like(error, { reason: "issuer_unavailable" });
  t.deepEqual(names, []);
});

test("PKCS #12 with a passphrase", async (t) => {
  if (absent("openssl").length > 0) return missing(t, "openssl is not installed");
  const { names, add, file, pem, dir } = await prepare(t);
  const [input, output] = [join(dir, "both.pem"), join(dir, "both.p12")];
  writeFileSync(input, pem("boxed"), { mode: 0o600 });
  const pass = "practice";
  execFileSync("openssl", [
    ...["pkcs12", "-export", "-in", input, "-inkey", input],
    ...["-out", output, "-passout", `pass:${pass}`],
  ]);
  const tls_certificate = readFileSync(output).toString("base64");
  const credential = await add("work", file, { tls_certificate, tls_passphrase: pass });
  await credential.token({});
  const wrong = await add("wrong", file, { tls_certificate, tls_passphrase: "other" });
  await t.throwsAsync(async () => wrong.token({}), { message: /tls_passphrase/ });
  return t.deepEqual(names, ["/token boxed"]);
});
