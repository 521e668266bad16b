import test, { type ExecutionContext } from "ava";
import { type OneStepAiOptions, startOneStepAi } from "../../src/sandbox/onestepai.ts";

async function onestepai(t: ExecutionContext, options: OneStepAiOptions = {}) {
  const api = await startOneStepAi(options);
  t.teardown(() => api.close());
  const apiToken = api.credential.secrets.api_token!;
  return {
    api,
    apiToken,
    signIn: (body = JSON.stringify(apiToken), type = "application/json") =>
      fetch(`${api.url}/api/Users/SignIn`, {
        method: "POST",
        headers: { "content-type": type },
        body,
      }),
    user: (authorization: string) => fetch(`${api.url}/api/Users`, { headers: { authorization } }),
  };
}

const claims = (jwt: string) => JSON.parse(Buffer.from(jwt.split(".")[1]!, "base64url").toString());

test("answers a JWT as plain text, whose exp is its lifetime", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const { signIn, user } = await onestepai(t, { tokenLifetime: 90, now: () => now });
  const response = await signIn();
  const jwt = await response.text();
  t.is(response.status, 200);
  t.is(response.headers.get("content-type"), "text/plain; charset=utf-8");
  t.is(claims(jwt).exp, now / 1000 + 90);
  const account = await user(`Bearer ${jwt}`);
  t.is(account.status, 200);
  t.deepEqual(Object.keys((await account.json()) as object), ["id", "userName", "email"]);
});

test("refuses a wrong API token, a form, and JSON that is no string", async (t) => {
  const { signIn, apiToken } = await onestepai(t);
  t.is((await signIn('"practice-wrong"')).status, 401);
  const form = new URLSearchParams({ token: apiToken }).toString();
  t.is((await signIn(form, "application/x-www-form-urlencoded")).status, 415);
  t.is((await signIn(JSON.stringify(apiToken), "text/plain")).status, 415);
  t.is((await signIn(JSON.stringify({ token: apiToken }))).status, 400);
  t.is((await signIn(apiToken)).status, 400);
  t.is((await signIn("")).status, 400);
});

test("an expired token, a token without its scheme and a JWT of another get 401", async (t) => {
  let time = Date.UTC(2026, 0, 1);
  const { signIn, user } = await onestepai(t, { tokenLifetime: 90, now: () => time });
  const other = await onestepai(t, { now: () => time });
  const jwt = await (await signIn()).text();
  t.is((await user(jwt)).status, 401);
  t.is((await user(`Bearer ${await (await other.signIn()).text()}`)).status, 401);
  time += 90_000;
  const expired = await user(`Bearer ${jwt}`);
  t.is(expired.status, 401);
  t.regex(expired.headers.get("www-authenticate") ?? "", /invalid_token.*expired/);
});

test("the older version signs in by GET only", async (t) => {
  const { api, apiToken, signIn, user } = await onestepai(t, { older: true });
  t.is((await signIn()).status, 405);
  const get = (token: string) =>
    fetch(`${api.url}/api/Users/SignIn?${new URLSearchParams({ token })}`);
  t.is((await get("practice-wrong")).status, 401);
  const jwt = await (await get(apiToken)).text();
  t.is((await user(`Bearer ${jwt}`)).status, 200);
  t.false(JSON.stringify(api.requests).includes(apiToken));
  t.is(api.requests[0]!.path, "/api/Users/SignIn");
});
