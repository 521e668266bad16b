/** People sign in through a real daemon, at a conformant issuer. */
import test, { type ExecutionContext } from "ava";
import { type Client, connect } from "../../src/client.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { signInAt } from "../helpers/person.ts";
import { PUBLIC_CLIENT, type SignInIssuer, startSignInIssuer } from "../helpers/sign-in-issuer.ts";

const CREDENTIAL = { credential: "mail" };

async function setup(t: ExecutionContext, more: Record<string, string> = {}) {
  const issuer = await startSignInIssuer(t);
  const daemon = await startDaemon(t);
  const added = await add(daemon, issuer, more);
  t.is(added.code, 0, added.stderr);
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  return { issuer, daemon, client, added };
}

async function add(daemon: Daemon, issuer: SignInIssuer, more: Record<string, string> = {}) {
  const settings = {
    issuer: issuer.url,
    client_id: PUBLIC_CLIENT,
    scope: "openid offline_access",
    prompt: "consent",
    origins: issuer.url,
    ...more,
  };
  const pairs = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  return await daemon.cli(["add", "mail", "--grant", "authorization_code", ...pairs]);
}

async function signIn(client: Client, name = "ada") {
  const started = await client.request("login/start", { ...CREDENTIAL, how: "browser" });
  const page = await signInAt(started.url ?? "", { name });
  const info = await client.request("login/finish", { login: started.login });
  return { started, page, info };
}

test("add needs no secret and names the command; the sign-in brings tokens that are renewed", async (t) => {
  const { client, added } = await setup(t);
  t.regex(added.stdout, /Next: authd login mail/);
  await t.throwsAsync(client.getToken(CREDENTIAL), { message: /authd login mail/ });
  const { page, info } = await signIn(client);
  t.is(page.status, 200);
  t.regex(page.body, /^<!doctype html>\n<html lang="en">[\s\S]*<title>You are signed in/);
  t.regex(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  t.like(info, { state: "ready", login: { account: "ada" } });
  const first = await client.getToken(CREDENTIAL);
  await client.request("credentials/refresh", CREDENTIAL);
  const second = await client.getToken(CREDENTIAL);
  t.not(first.accessToken, second.accessToken);
});
