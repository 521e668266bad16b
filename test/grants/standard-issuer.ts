/** Against oidc-provider, which takes the standards at their word. */
import test, { type ExecutionContext } from "ava";
import { acquire } from "../helpers/acquire.ts";
import { CLIENT, startOidcProvider, USER } from "../helpers/oidc.ts";

const client = { client_id: CLIENT.id };
const secrets = { client_secret: CLIENT.secret, password: USER.password };

test("client_credentials with basic and with post", async (t) => {
  for (const [method, client_auth] of [
    ["client_secret_basic", "basic"],
    ["client_secret_post", "post"],
  ] as const) {
    const token_url = await startOidcProvider(t, method);
    const settings = { token_url, ...client, client_auth, scope: "read" };
    const acquired = await acquire(t, "client_credentials", { settings, secrets });
    t.true(acquired.accessToken.length > 20);
    t.is(acquired.tokenType, "Bearer");
    t.is(acquired.expiresIn, 600);
    t.is(acquired.scope, "read");
    t.is(typeof acquired.issuerSentAt, "number");
  }
});

test("a wrong secret and an unknown scope are for a person", async (t) => {
  const token_url = await startOidcProvider(t);
  const wrong = { settings: { token_url, ...client }, secrets: { client_secret: "wrong" } };
  t.like(await t.throwsAsync(acquire(t, "client_credentials", wrong)), {
    reason: "credential_rejected",
    oauth: { error: "invalid_client", status: 401 },
  });
  const odd = { settings: { token_url, ...client, scope: "write" }, secrets };
  t.like(await t.throwsAsync(acquire(t, "client_credentials", odd)), {
    reason: "credential_rejected",
    oauth: { error: "invalid_scope", status: 400 },
  });
});

test("password", async (t) => {
  const token_url = await startOidcProvider(t);
  const settings = { token_url, ...client, username: USER.name };
  t.is((await acquire(t, "password", { settings, secrets })).expiresIn, 600);
  const wrong = { settings, secrets: { ...secrets, password: "wrong" } };
  t.like(await t.throwsAsync(acquire(t, "password", wrong)), {
    reason: "credential_rejected",
    oauth: { error: "invalid_grant", error_description: "grant request is invalid", status: 400 },
  });
});

test("a refresh token rotates with each use, and its reuse ends them all", async (t) => {
  const token_url = await startOidcProvider(t);
  const first = await signIn(token_url);
  const spend = (refresh_token: string) => refresh(t, token_url, refresh_token);
  const second = (await spend(first)).refreshToken!;
  t.not(second, first);
  const third = (await spend(second)).refreshToken!;
  t.not(third, second);
  const ended = { reason: "login_required", oauth: { error: "invalid_grant" } };
  t.like(await t.throwsAsync(spend(first)), ended);
  t.like(await t.throwsAsync(spend(third)), ended);
});

function refresh(t: ExecutionContext, token_url: string, refresh_token: string) {
  const settings = { token_url, ...client };
  return acquire(t, "refresh_token", { settings, secrets: { ...secrets, refresh_token } });
}

/** What a person's first sign-in brings. */
async function signIn(token_url: string): Promise<string> {
  const basic = [CLIENT.id, CLIENT.secret].map(encodeURIComponent).join(":");
  const response = await fetch(token_url, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(basic)}` },
    body: new URLSearchParams({
      grant_type: "password",
      username: USER.name,
      password: USER.password,
    }),
  });
  const { refresh_token } = (await response.json()) as { refresh_token: string };
  return refresh_token;
}
