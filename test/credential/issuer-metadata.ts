import test from "ava";
import { SECRET_CLIENT, startSignInIssuer } from "../helpers/sign-in-issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

test("metadata are read once, and again after an address has failed", async (t) => {
  const issuer = await startSignInIssuer(t);
  const engine = await startTestRegistry(t);
  const credential = await engine.add(
    "jobs",
    { grant: "client_credentials", issuer: issuer.url, client_id: SECRET_CLIENT.id },
    { client_secret: SECRET_CLIENT.secret },
  );
  const metadata = () => issuer.requests.filter((path) => path.startsWith("/.well-known")).length;
  await credential.refresh(30_000);
  await credential.refresh(30_000);
  t.is(metadata(), 1);
  issuer.metadata = { token_endpoint: `${issuer.url}/moved` };
  const answer = { access_token: "moved-token", token_type: "Bearer", expires_in: 600 };
  issuer.override = (path) => {
    if (path === "/token") return { status: 404, body: {} };
    return path === "/moved" ? { status: 200, body: answer } : undefined;
  };
  await t.throwsAsync(credential.refresh(30_000), { message: /404/ });
  await credential.refresh(30_000);
  t.is(metadata(), 2);
  t.is((await credential.token({ timeoutMs: 1_000 })).accessToken, "moved-token");
});

test("metadata of another issuer, and none at all, are told as such; nothing is sent", async (t) => {
  const issuer = await startSignInIssuer(t);
  const engine = await startTestRegistry(t);
  const file = { grant: "client_credentials", issuer: issuer.url, client_id: SECRET_CLIENT.id };
  const credential = await engine.add("jobs", file, { client_secret: SECRET_CLIENT.secret });
  issuer.metadata = { issuer: "https://evil.example" };
  const evil = { message: /says that it is https:\/\/evil.example/ };
  await t.throwsAsync(credential.refresh(30_000), evil);
  issuer.override = () => ({ status: 404, body: {} });
  await t.throwsAsync(credential.refresh(30_000), { message: /metadata .* could not be read/ });
  t.deepEqual([...new Set(issuer.requests)].sort(), [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
  ]);
});
