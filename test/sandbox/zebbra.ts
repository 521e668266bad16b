import test, { type ExecutionContext } from "ava";
import { totp } from "../../src/base/totp.ts";
import { startZebbra, type ZebbraOptions } from "../../src/sandbox/zebbra.ts";

async function zebbra(t: ExecutionContext, options: ZebbraOptions = {}) {
  const api = await startZebbra(options);
  t.teardown(() => api.close());
  const prefix = options.prefix ?? "";
  const login = {
    username: String(api.credential.settings.username),
    password: api.credential.secrets.password!,
  };
  const get = (path: string, token: string) =>
    fetch(api.url + path, { headers: { authorization: `Bearer ${token}` } });
  const post = (
    path: string,
    body: string | URLSearchParams,
    headers: Record<string, string> = {},
  ) => fetch(api.url + path, { method: "POST", body, headers });
  return {
    api,
    login,
    get,
    post,
    signIn: (fields: Record<string, string> = login) =>
      post(`${prefix}/token`, new URLSearchParams(fields)),
    user: (token: string) => get("/user", token),
    expired: (token: string) => get(`${prefix}/token/expired`, token),
    register: (body: unknown) =>
      post(`${prefix}/register`, JSON.stringify(body), { "content-type": "application/json" }),
  };
}

const tokenOf = async (response: Response) =>
  ((await response.json()) as { access_token: string }).access_token;
const claims = (jwt: string) => JSON.parse(Buffer.from(jwt.split(".")[1]!, "base64url").toString());

test("answers a token without a lifetime: its exp says 30 minutes", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const { signIn, user, login } = await zebbra(t, { now: () => now });
  const response = await signIn();
  const { access_token, ...rest } = (await response.json()) as { access_token: string };
  t.is(response.status, 200);
  t.deepEqual(rest, { token_type: "bearer" } as object);
  t.is(claims(access_token).exp, now / 1000 + 1800);
  const account = (await (await user(access_token)).json()) as { username: string };
  t.is(account.username, login.username);
});

test("refuses a wrong password in FastAPI's words", async (t) => {
  const { signIn, login } = await zebbra(t);
  const response = await signIn({ ...login, password: "practice-wrong" });
  t.is(response.status, 401);
  t.deepEqual(await response.json(), { detail: "Incorrect username or password" });
  t.is((await signIn({ ...login, username: "nobody@example.com" })).status, 401);
});

test("refuses a JSON body, missing fields, and fields of OAuth that it does not know", async (t) => {
  const { signIn, post, login } = await zebbra(t);
  const json = await post("/token", JSON.stringify(login), { "content-type": "application/json" });
  t.is(json.status, 422);
  t.deepEqual(await json.json(), {
    detail: [
      { type: "missing", loc: ["body", "username"], msg: "Field required" },
      { type: "missing", loc: ["body", "password"], msg: "Field required" },
    ],
  });
  t.is((await signIn({ username: login.username })).status, 422);
  t.is((await signIn({ ...login, grant_type: "password" })).status, 422);
  t.is((await signIn({ ...login, client_id: "practice" })).status, 422);
});

test("an expired token gets 401, and /token/expired says so", async (t) => {
  let time = Date.UTC(2026, 0, 1);
  const { signIn, user, expired } = await zebbra(t, { now: () => time });
  const token = await tokenOf(await signIn());
  t.deepEqual(await (await expired(token)).json(), { expired: false });
  time += 1_800_000;
  t.deepEqual(await (await expired(token)).json(), { expired: true });
  t.is((await user(token)).status, 401);
  t.is((await expired("practice-token-of-nobody")).status, 401);
});

test("with two-factor on, a token needs the current code, and each code works once", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const { api, signIn, login } = await zebbra(t, { twoFactor: true, now: () => now });
  for (const otp of ["", "000", "12345x"]) {
    const response = await signIn({ ...login, otp });
    t.is(response.status, 401);
    t.deepEqual(await response.json(), { detail: "OTP of Two-Factor Authentication is invalid" });
  }
  t.is((await signIn()).status, 401);
  const otp = totp(api.credential.secrets.otp_secret!, now);
  t.is((await signIn({ ...login, otp })).status, 200);
  t.is((await signIn({ ...login, otp })).status, 401);
});

test("registers an account that can sign in, but no user name and no workspace twice", async (t) => {
  const { register, signIn, user } = await zebbra(t);
  const account = {
    username: "new@example.com",
    first_name: "New",
    last_name: "User",
    new_workspace_name: "New Inc.",
    password: "practice-new-password",
  };
  t.is((await register(account)).status, 200);
  const token = await tokenOf(
    await signIn({ username: account.username, password: account.password }),
  );
  t.is(((await (await user(token)).json()) as { username: string }).username, account.username);
  t.is((await register({ ...account, new_workspace_name: "Other Inc." })).status, 409);
  t.is((await register({ ...account, username: "other@example.com" })).status, 409);
  t.is((await register({ username: "third@example.com" })).status, 422);
});

test("current servers sign in and register below /auth, and have the user at the root", async (t) => {
  const { api, signIn, user, expired, get, post } = await zebbra(t, { prefix: "/auth" });
  t.is(api.credential.settings.token_path, "/auth/token");
  const token = await tokenOf(await signIn());
  t.is((await user(token)).status, 200);
  t.is((await get("/auth/user", token)).status, 404);
  t.is(api.example.url, `${api.url}/user`);
  t.is((await expired(token)).status, 200);
  t.is((await post("/token", "")).status, 404);
});
