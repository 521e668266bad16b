import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { acquire, jwt } from "../helpers/acquire.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";

/** What authd makes of an issuer's answer to client_credentials. */
async function answered(t: ExecutionContext, answer: StubResponse, response?: object) {
  const { url } = await startIssuer(t, answer);
  const settings = { token_url: url, client_id: "demo", ...(response && { response }) };
  return acquire(t, "client_credentials", { settings, secrets: { client_secret: "s3cret" } });
}

async function unusable(t: ExecutionContext, answer: StubResponse): Promise<AuthdError> {
  const error = (await t.throwsAsync(answered(t, answer), { instanceOf: AuthdError }))!;
  t.is(error.reason, "issuer_unavailable");
  t.deepEqual(error.contact, { sent: true, answered: false, lasting: true });
  t.is(error.cause, undefined);
  return error;
}

test("a conformant answer", async (t) => {
  const json = { access_token: "abc", token_type: "Bearer", expires_in: 3600, scope: "a b" };
  const headers = { date: "Tue, 14 Nov 2023 22:13:20 GMT" };
  t.deepEqual(await answered(t, { json, headers }), {
    accessToken: "abc",
    tokenType: "Bearer",
    expiresIn: 3600,
    scope: "a b",
    issuerSentAt: 1_700_000_000_000,
  });
});

test("expires_in as a string, a float, null, negative, absurd or nonsense", async (t) => {
  const cases: [unknown, number | undefined][] = [
    ["3600", 3600],
    [3599.9, 3599.9],
    [0, 0],
    [null, undefined],
    [-1, undefined],
    ["", undefined],
    ["never", undefined],
    [{}, undefined],
    [9.2e18, 100_000_000_000],
  ];
  for (const [expires_in, expected] of cases) {
    const { expiresIn } = await answered(t, { json: { access_token: "abc", expires_in } });
    t.is(expiresIn, expected, JSON.stringify(expires_in));
  }
});

test("token_type missing, in odd case, or in an issuer's own words", async (t) => {
  for (const token_type of [
    undefined,
    null,
    "",
    "bearer",
    "BEARER",
    " Bearer ",
    "BearerToken",
    7,
  ]) {
    const { tokenType } = await answered(t, { json: { access_token: "abc", token_type } });
    t.is(tokenType, "Bearer");
  }
});

test("tokens bound to a key are of no use", async (t) => {
  for (const token_type of ["DPoP", "mac"]) {
    const error = await unusable(t, { json: { access_token: "abc", token_type } });
    t.regex(error.message, /bound to a key/);
  }
});

test("a form-encoded answer, whatever its content type", async (t) => {
  const body = "access_token=abc%2B1&scope=a+b&token_type=bearer&expires_in=60";
  for (const type of ["application/x-www-form-urlencoded", "text/plain"]) {
    const acquired = await answered(t, { body, headers: { "content-type": type } });
    t.is(acquired.accessToken, "abc+1");
    t.is(acquired.scope, "a b");
    t.is(acquired.expiresIn, 60);
  }
  const other = await answered(t, { body: "expires_in=60&access_token=abc" });
  t.is(other.accessToken, "abc");
});

test("an error with status 200, in JSON and as a form", async (t) => {
  for (const answer of [
    { json: { error: "invalid_client", access_token: "" } },
    { body: "error=invalid_client&error_description=No+such+client" },
  ]) {
    const error = await t.throwsAsync(answered(t, answer), { instanceOf: AuthdError });
    t.is(error!.reason, "credential_rejected");
    t.is(error!.oauth?.error, "invalid_client");
    t.is(error!.oauth?.status, 200);
  }
});

test("an HTML page with status 200 is no complete answer", async (t) => {
  const body = "<!DOCTYPE html><title>Sign in to the Wi-Fi</title>";
  const error = await unusable(t, { body, headers: { "content-type": "text/html" } });
  t.regex(error.message, /a page for people \("Sign in to the Wi-Fi"\)/);
});

test("a byte order mark, status 201, an empty refresh token and an empty scope", async (t) => {
  const json = '\ufeff{"access_token":"abc","refresh_token":"","scope":""}';
  const acquired = await answered(t, { status: 201, body: json });
  t.is(acquired.accessToken, "abc");
  t.is(acquired.refreshToken, undefined);
  t.is(acquired.scope, undefined);
});

test("a scope as a list", async (t) => {
  const json = { access_token: "abc", scope: ["a", "b", 3, [["c"]]] };
  t.is((await answered(t, { json })).scope, "a b");
});

test("an answer without an access token, or with something else in its place", async (t) => {
  for (const access_token of [undefined, null, "", " ", true, ["abc"], { token: "abc" }]) {
    const error = await unusable(t, { json: { access_token, token_type: "bearer" } });
    t.regex(error.message, /no access_token/);
  }
});

test("a token that no header can carry", async (t) => {
  for (const access_token of ["ab\r\nc", "ab\0c", "ab€c", "x".repeat(70_000)]) {
    const error = await unusable(t, { json: { access_token } });
    t.regex(error.message, /"demo" got no token from 127\.0\.0\.1:\d+\/token: the issuer's token /);
    t.false(error.message.includes("ab"));
  }
});

test("answers that are no object at all", async (t) => {
  for (const body of ["", "null", "[]", '"abc"', "{", "OK", "a=b&c=d", "\0\x01"]) {
    await unusable(t, { body });
  }
});

test("__proto__ in an answer pollutes nothing and counts for nothing", async (t) => {
  const body = '{"__proto__":{"access_token":"evil","expires_in":5},"constructor":{"prototype":1}}';
  await unusable(t, { body });
  t.is(({} as { access_token?: unknown }).access_token, undefined);
});

test("nesting without end breaks nothing", async (t) => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  const acquired = await answered(t, { body: `{"access_token":"abc","scope":${deep}}` });
  t.is(acquired.accessToken, "abc");
  await unusable(t, { body: deep });
});

test("an id_token is nobody's business here", async (t) => {
  const json = { access_token: "abc", id_token: "not.a.jwt" };
  t.is((await answered(t, { json })).accessToken, "abc");
});

test("refresh_in and the times of a JWT access token", async (t) => {
  const access_token = jwt({ exp: 1_800_000_000, iat: 1_700_000_000 });
  const acquired = await answered(t, { json: { access_token, refresh_in: "1800" } });
  t.is(acquired.refreshIn, 1800);
  t.deepEqual(acquired.jwt, { exp: 1_800_000_000, iat: 1_700_000_000 });
});

test("members in another case, a number as the token, and one that already says Bearer", async (t) => {
  const json = { Access_Token: "abc", TOKEN_TYPE: "Bearer", ExpiresIn: "60", Scope: "a" };
  const { accessToken, expiresIn, scope } = await answered(t, { json });
  t.deepEqual({ accessToken, expiresIn, scope }, { accessToken: "abc", expiresIn: 60, scope: "a" });
  const numeric = await answered(t, { body: '{"access_token":12345678901234567890}' });
  t.is(numeric.accessToken, "12345678901234567890");
  const token = jwt({ exp: 1_700_000_900 });
  const doubled = await answered(t, { json: { access_token: `bearer  ${token}` } });
  t.is(doubled.accessToken, token);
  t.is(doubled.jwt?.exp, 1_700_000_900);
});

test("a token behind a prefix against inclusion as a script", async (t) => {
  const acquired = await answered(t, { body: ')]}\',\n{"access_token":"abc"}' });
  t.is(acquired.accessToken, "abc");
  const refused = answered(t, { body: 'while(1);{"error":"invalid_client"}' });
  t.is((await t.throwsAsync(refused, { instanceOf: AuthdError }))!.reason, "credential_rejected");
});

test("places of a file: the token and what is beside it, anywhere in an answer", async (t) => {
  const body = {
    data: { tokens: [{ value: "abc" }, { value: "def" }], life: 90, scopes: ["a", "b"] },
    access_token: "no",
    id_token: "id",
  };
  const headers = { "x-token": "Bearer hhh", "set-cookie": "session=ccc; HttpOnly" };
  const read = (response: object) => answered(t, { json: body, headers }, response);
  t.like(
    await read({ token: "/data/tokens/0/value", expires_in: "/data/life", scope: "/data/scopes" }),
    {
      accessToken: "abc",
      expiresIn: 90,
      scope: "a b",
    },
  );
  t.is((await read({ token: "id_token" })).accessToken, "id");
  t.is((await read({ token: "header:X-Token" })).accessToken, "hhh");
  t.is((await read({ token: "cookie:session" })).accessToken, "ccc");
  t.is((await read({})).accessToken, "no");
  t.like(await read({ token_type: "Custom" }), { tokenType: "Custom" });
  t.is((await answered(t, { body: "abc" }, { token: "text" })).accessToken, "abc");
});

test("a place where no token is, is named; an error in its stead is an error", async (t) => {
  const { url } = await startIssuer(t, { json: { access_token: "abc" } });
  const settings = { token_url: url, client_id: "demo", response: { token: "/data/token" } };
  const wanted = { settings, secrets: { client_secret: "s3cret" } };
  const error = await t.throwsAsync(acquire(t, "client_credentials", wanted));
  t.regex(error!.message, /no token at response\.token = "\/data\/token"/);
  const refused = answered(t, { json: { error: "invalid_client" } }, { token: "/data/token" });
  t.is((await t.throwsAsync(refused, { instanceOf: AuthdError }))!.reason, "credential_rejected");
});

test("values to keep, by name; one that is missing or that no header can carry is left out, but for PEM", async (t) => {
  const json = {
    access_token: "abc",
    instance_url: "https://eu.example.com",
    id: 12,
    odd: "a\nb",
    long: "x".repeat(20_000),
    certificate: "-----BEGIN CERTIFICATE-----\ncHJhY3RpY2U=\n-----END CERTIFICATE-----",
    almost: "-----BEGIN CERTIFICATE-----\nx: y\n-----END CERTIFICATE-----\n",
  };
  const keep = {
    ...{ api: "/instance_url", id: { from: "id", secret: true } },
    ...{ certificate: "/certificate", almost: "/almost" },
    ...{ odd: "/odd", long: "/long", none: "/none" },
  };
  const { kept } = await answered(t, { json }, { keep });
  const { certificate } = json;
  t.deepEqual(kept, { api: "https://eu.example.com", id: "12", certificate });
  t.is((await answered(t, { json })).kept, undefined);
});
