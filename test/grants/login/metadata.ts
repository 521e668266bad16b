import test from "ava";
import {
  foreignEndpoints,
  readMetadata,
  withEndpoints,
} from "../../../src/grants/login/metadata.ts";

const issuer = "https://login.example";

test("members of the wrong type count as absent; without an issuer there are none", (t) => {
  const read = readMetadata({ issuer, token_endpoint: 7, jwks_uri: `${issuer}/keys`, more: [] });
  t.deepEqual(read, { issuer, jwks_uri: `${issuer}/keys` });
  for (const nothing of [undefined, null, "x", [], { token_endpoint: `${issuer}/token` }])
    t.is(readMetadata(nothing), undefined);
});

test("addresses that the file gives win over the issuer's", (t) => {
  const metadata = { issuer, token_endpoint: `${issuer}/a`, revocation_endpoint: `${issuer}/b` };
  t.deepEqual(withEndpoints({ issuer, token_url: "https://x.example" }, metadata, false), {
    issuer,
    token_url: "https://x.example",
    revocation_url: `${issuer}/b`,
  });
});

test("a secret goes into the form where the issuer takes it there alone", (t) => {
  const only = { issuer, token_endpoint_auth_methods_supported: ["client_secret_post"] };
  const clientAuth = (hasSecret: boolean, own = {}) =>
    (withEndpoints(own, only, hasSecret) as { client_auth?: string }).client_auth;
  t.is(clientAuth(true), "post");
  t.is(clientAuth(false), undefined);
  t.is(clientAuth(true, { client_auth: "basic" }), "basic");
});

test("an address is foreign if nothing of before was at its origin", (t) => {
  const known = { issuer, token_endpoint: "https://tokens.example/token" };
  const moved = { issuer, token_endpoint: `${issuer}/token`, jwks_uri: "https://tokens.example/k" };
  t.deepEqual(foreignEndpoints(known, moved, false), []);
  const next = { issuer, token_endpoint: "https://evil.example/token" };
  t.deepEqual(foreignEndpoints(known, next, false), [
    { key: "token_endpoint", was: known.token_endpoint, is: next.token_endpoint },
  ]);
});

const MTLS = "https://mtls.login.example";
const aliased = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  revocation_endpoint: `${issuer}/revoke`,
  mtls_endpoint_aliases: {
    authorization_endpoint: `${MTLS}/authorize`,
    token_endpoint: `${MTLS}/token`,
  },
};

test("a client with a certificate goes to the issuer's addresses for such clients; a browser does not", (t) => {
  const read = readMetadata({
    ...aliased,
    mtls_endpoint_aliases: { ...aliased.mtls_endpoint_aliases, more: 1 },
  });
  t.deepEqual(read, aliased);
  t.deepEqual(withEndpoints({ client_auth: "tls" }, read, false), {
    client_auth: "tls",
    authorization_url: `${issuer}/authorize`,
    token_url: `${MTLS}/token`,
    revocation_url: `${issuer}/revoke`,
  });
  t.like(withEndpoints({}, read, false), { token_url: `${issuer}/token` });
});

test("aliases at another origin are foreign to a client with a certificate alone", (t) => {
  const { mtls_endpoint_aliases: _, ...known } = aliased;
  t.deepEqual(foreignEndpoints(known, aliased, false), []);
  t.like(foreignEndpoints(known, aliased, true), [
    { key: "mtls_endpoint_aliases.authorization_endpoint" },
    { key: "mtls_endpoint_aliases.token_endpoint", was: undefined, is: `${MTLS}/token` },
  ]);
  t.deepEqual(foreignEndpoints(aliased, aliased, true), []);
});
