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
