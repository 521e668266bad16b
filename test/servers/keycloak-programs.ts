/** Programs without a person at Keycloak: signed client assertions, bound tokens, exchanged tokens. */
import { randomBytes } from "node:crypto";
import type { ExecutionContext } from "ava";
import { connect } from "../../src/client.ts";
import type { PracticeCredential } from "../../src/sandbox/practice-api.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { confidentialClient, testsAtKeycloak } from "../helpers/keycloak/index.ts";
import { rsaKey } from "../helpers/keys.ts";

const key = rsaKey();
const secret = randomBytes(16).toString("hex");
const withSecret = { clientAuthenticatorType: "client-secret", secret };

const withKeycloak = testsAtKeycloak([
  confidentialClient("signer", {
    clientAuthenticatorType: "client-jwt",
    attributes: {
      "use.jwks.string": "true",
      "jwks.string": JSON.stringify({ keys: [{ ...key.publicJwk, use: "sig", kid: "mine" }] }),
    },
  }),
  confidentialClient("secret-signer", {
    ...{ clientAuthenticatorType: "client-secret-jwt", secret },
    protocolMappers: [
      {
        ...{ name: "itself", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper" },
        config: {
          "included.client.audience": "secret-signer",
          "access.token.claim": "true",
          "introspection.token.claim": "true",
        },
      },
    ],
  }),
  confidentialClient("reports", {
    clientAuthenticatorType: "client-x509",
    attributes: {
      "x509.subjectdn": "CN=reports",
      "tls.client.certificate.bound.access.tokens": "true",
    },
  }),
  confidentialClient("bound", {
    ...withSecret,
    attributes: { "dpop.bound.access.tokens": "true" },
  }),
  confidentialClient("exchanger", {
    ...withSecret,
    attributes: { "standard.token.exchange.enabled": "true" },
  }),
]);

async function daemonWith(t: ExecutionContext, credentials: Record<string, PracticeCredential>) {
  const daemon = await startDaemon(t);
  for (const [name, credential] of Object.entries(credentials)) {
    const added = await daemon.add(name, { credential });
    t.is(added.code, 0, added.stderr);
  }
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  return client;
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

withKeycloak("private_key_jwt", async (t, { issuer }) => {
  const client = await daemonWith(t, {
    jobs: {
      grant: "client_credentials",
      settings: { issuer, client_id: "signer", client_auth: "private_key_jwt", key_id: "mine" },
      secrets: { key: key.pem },
    },
  });
  const { accessToken } = await client.getToken({ credential: "jobs" });
  t.is(claimsOf(accessToken).azp, "signer");
});

withKeycloak("DPoP: the token is bound to the key that signs each request", async (t, realm) => {
  const { issuer, server } = realm;
  const client = await daemonWith(t, {
    bound: {
      grant: "client_credentials",
      settings: { issuer, client_id: "bound", dpop: true, scope: "openid", origins: [server.http] },
      secrets: { client_secret: secret },
    },
  });
  const url = `${issuer}/protocol/openid-connect/userinfo`;
  const { accessToken, tokenType, headers } = await client.getToken({
    ...{ credential: "bound", method: "GET", url },
  });
  t.is(tokenType.toLowerCase(), "dpop");
  t.truthy(claimsOf(accessToken).cnf?.jkt);
  t.is((await fetch(url, { headers })).status, 200);
  t.is((await client.authorizedRequest({ credential: "bound", url })).status, 200);
  const asBearer = { authorization: `Bearer ${accessToken}` };
  t.is((await fetch(url, { headers: asBearer })).status, 401);
});

withKeycloak("a token is exchanged for another (RFC 8693)", async (t, { issuer }) => {
  const own = { issuer, client_id: "exchanger" };
  const secrets = { client_secret: secret };
  const client = await daemonWith(t, {
    first: { grant: "client_credentials", settings: own, secrets },
    second: {
      grant: "token_exchange",
      settings: {
        ...own,
        subject: { credential: "first" },
        subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      },
      secrets,
    },
  });
  const first = await client.getToken({ credential: "first" });
  const second = await client.getToken({ credential: "second" });
  t.not(second.accessToken, first.accessToken);
  t.is(claimsOf(second.accessToken).sub, claimsOf(first.accessToken).sub);
});

withKeycloak("client_secret_jwt, and what Keycloak knows of the token", async (t, { issuer }) => {
  const client = await daemonWith(t, {
    jobs: {
      grant: "client_credentials",
      settings: { issuer, client_id: "secret-signer", client_auth: "client_secret_jwt" },
      secrets: { client_secret: secret },
    },
    other: {
      grant: "client_credentials",
      settings: { issuer, client_id: "exchanger" },
      secrets: { client_secret: secret },
    },
  });
  const { accessToken } = await client.getToken({ credential: "jobs" });
  t.is(claimsOf(accessToken).azp, "secret-signer");
  const known = (credential: string) => client.request("credentials/introspect", { credential });
  t.like(await known("jobs"), { active: true });
  // Keycloak tells only who is in the token's audience.
  await client.getToken({ credential: "other" });
  t.like(await known("other"), { active: false });
});

withKeycloak(
  "a key and a secret that Keycloak does not know are rejected",
  async (t, { issuer }) => {
    const daemon = await startDaemon(t);
    const credentials: PracticeCredential[] = [
      {
        grant: "client_credentials",
        settings: { issuer, client_id: "signer", client_auth: "private_key_jwt", key_id: "mine" },
        secrets: { key: rsaKey().pem },
      },
      {
        grant: "client_credentials",
        settings: { issuer, client_id: "exchanger" },
        secrets: { client_secret: "another" },
      },
    ];
    for (const [index, credential] of credentials.entries()) {
      const { code, stderr } = await daemon.add(`jobs-${index}`, { credential });
      t.is(code, 5, stderr);
      t.regex(stderr, new RegExp(`authd set jobs-${index}`));
    }
  },
);

withKeycloak("mutual TLS: the token is bound to the certificate", async (t, realm) => {
  const { ca, clientCertificate } = realm.server;
  const daemon = await startDaemon(t, { config: { "ca.pem": ca } });
  const added = await daemon.add("reports", {
    credential: {
      grant: "client_credentials",
      settings: {
        ...{ issuer: realm.secureIssuer, client_id: "reports", client_auth: "tls" },
        ...{ scope: "openid", ca_file: "ca.pem", origins: [realm.server.https] },
      },
      secrets: { tls_certificate: clientCertificate.cert + clientCertificate.key },
    },
  });
  t.is(added.code, 0, added.stderr);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const { accessToken } = await client.getToken({ credential: "reports" });
  t.truthy(claimsOf(accessToken).cnf?.["x5t#S256"]);
  const url = `${realm.secureIssuer}/protocol/openid-connect/userinfo`;
  t.is((await client.authorizedRequest({ credential: "reports", url })).status, 200);
});
