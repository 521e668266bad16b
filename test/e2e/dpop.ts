/** Bound tokens through the daemon: authorizedRequest, getToken for one request, restarts. */
import { createHash } from "node:crypto";
import test from "ava";
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, type JWK } from "jose";
import { connect } from "../../src/client.ts";
import { startApi } from "../helpers/api.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import type { Scope } from "../helpers/scope.ts";

const ath = createHash("sha256").update("one").digest("base64url");

async function prepare(t: Scope) {
  const issuer = await startIssuer(t, {
    json: { access_token: "one", token_type: "DPoP", expires_in: 3600 },
  });
  const proofs: string[] = [];
  const api = await startApi(t, ({ headers }, response) => {
    const proof = String(headers.dpop);
    proofs.push(proof);
    const isBound = headers.authorization === "DPoP one" && decodeJwt(proof).ath === ath;
    if (isBound && decodeJwt(proof).nonce === "api-nonce") return void response.end("hello");
    const challenge = isBound ? "use_dpop_nonce" : "invalid_token";
    response.setHeader("dpop-nonce", "api-nonce");
    response.setHeader("www-authenticate", `DPoP error="${challenge}"`);
    return void response.writeHead(401).end();
  });
  const daemon = await startDaemon(t);
  const added = await daemon.cli(
    [
      ...["add", "bound", "--grant", "client_credentials", "--set", `token_url=${issuer.url}`],
      ...["--set", "client_id=me", "--set", "dpop=true", "--set", `origins=${api.origin}`],
      ...["--secrets-from", "-"],
    ],
    { input: '{"client_secret": "practice-secret"}' },
  );
  return { issuer, api, proofs, daemon, added };
}

const thumbprint = (proof: string) =>
  calculateJwkThumbprint(decodeProtectedHeader(proof).jwk as JWK);

test("a request is signed, and repeated once with the API's nonce, without another token", async (t) => {
  const { issuer, api, proofs, daemon, added } = await prepare(t);
  t.is(added.code, 0, added.stderr);
  const said = await daemon.cli(["request", "bound", `${api.origin}/v1/me?x=1`, "-f"]);
  t.is(said.stdout, "hello", said.stderr);
  t.is(proofs.length, 2);
  t.like(decodeJwt(proofs[1]!), { htm: "GET", htu: `${api.origin}/v1/me`, nonce: "api-nonce" });
  await daemon.cli(["request", "bound", `${api.origin}/v1/me`, "-f", "-d", "{}"]);
  t.is(proofs.length, 3);
  t.is(decodeJwt(proofs[2]!).htm, "POST");
  t.is(issuer.requests.length, 1);
  const keys = await Promise.all(
    [String(issuer.requests[0]!.headers.dpop), ...proofs].map(thumbprint),
  );
  t.is(new Set(keys).size, 1);
});

test("getToken with method and url has the headers of that request; the key outlives a restart", async (t) => {
  const { issuer, daemon, added } = await prepare(t);
  t.is(added.code, 0, added.stderr);
  const url = "https://api.example/v1/me";
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const plain = await client.getToken({ credential: "bound" });
  t.deepEqual(plain.headers, { authorization: "DPoP one" });
  t.is(plain.tokenType, "DPoP");
  const first = await client.getToken({ credential: "bound", method: "PUT", url });
  t.is(first.headers.authorization, "DPoP one");
  t.like(decodeJwt(first.headers.dpop!), { htm: "PUT", htu: url, ath });
  const second = await client.getToken({ credential: "bound", method: "PUT", url });
  t.not(second.headers.dpop, first.headers.dpop);
  for (const wrong of [{ method: "PUT" }, { url }, { method: "PUT", url: "mailto:x" }]) {
    const error = await t.throwsAsync(client.getToken({ credential: "bound", ...wrong }));
    t.regex(error.message, /method and url go together/);
  }
  await client.close();
  await daemon.stop();
  const again = connect({ socket: (await startDaemon(t, { home: daemon })).socket });
  t.teardown(() => again.close());
  const third = await again.getToken({ credential: "bound", method: "PUT", url });
  t.is(await thumbprint(third.headers.dpop!), await thumbprint(first.headers.dpop!));
  t.is(issuer.requests.length, 1);
});
