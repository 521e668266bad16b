import test from "ava";
import type { AuthdError } from "../../src/errors.ts";
import { grants } from "../../src/grants/index.ts";
import { acquire, jwt } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";

const OK = { json: { access_token: "abc", token_type: "bearer", expires_in: 3600 } };

test("Zebbra: no grant_type, no client, a one-time code, and no expires_in but the JWT's exp", async (t) => {
  const access_token = jwt({ sub: "me", exp: 1_700_001_800 });
  const issuer = await startIssuer(t, { json: { access_token, token_type: "bearer" } });
  const acquired = await acquire(t, "password", {
    settings: { token_url: issuer.url, username: "me@example.com", send_grant_type: false },
    secrets: { password: "pass word&", otp_secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" },
    now: 59_000,
  });
  t.is(acquired.expiresIn, undefined);
  t.deepEqual(acquired.jwt, { exp: 1_700_001_800 });
  t.deepEqual(
    [...issuer.requests[0]!.form],
    [
      ["username", "me@example.com"],
      ["password", "pass word&"],
      ["otp", "287082"],
    ],
  );
  t.is(issuer.requests[0]!.headers.authorization, undefined);
});

test("Zebbra: a wrong password is for a person", async (t) => {
  const json = { detail: "Incorrect username or password" };
  const issuer = await startIssuer(t, { status: 401, json });
  const settings = { token_url: issuer.url, username: "me", send_grant_type: false };
  const attempt = acquire(t, "password", {
    settings,
    secrets: { password: "wrong" },
    rejectedOn: [{ status: 401 }],
  });
  t.like(await t.throwsAsync(attempt), { reason: "credential_rejected", oauth: undefined });
});

test("with grant_type, a client, a scope and another field for the code", async (t) => {
  const issuer = await startIssuer(t, OK);
  await acquire(t, "password", {
    settings: {
      token_url: issuer.url,
      username: "me",
      client_id: "demo",
      scope: "read",
      otp_field: "totp_code",
    },
    secrets: { password: "pw", client_secret: "cs", otp_secret: "GEZDGNBVGY3TQOJQ" },
  });
  const [{ form, headers } = issuer.requests[0]!] = issuer.requests;
  t.is(form.get("grant_type"), "password");
  t.is(form.get("scope"), "read");
  t.regex(form.get("totp_code") ?? "", /^\d{6}$/);
  t.is(headers.authorization, `Basic ${btoa("demo:cs")}`);
});

test("a public client names itself in the form", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = { token_url: issuer.url, username: "me", client_id: "demo" };
  await acquire(t, "password", { settings, secrets: { password: "pw" } });
  t.is(issuer.requests[0]!.form.get("client_id"), "demo");
  t.is(issuer.requests[0]!.headers.authorization, undefined);
});

test("a refresh token that comes along is left alone", async (t) => {
  const issuer = await startIssuer(t, { json: { access_token: "abc", refresh_token: "r" } });
  const settings = { token_url: issuer.url, username: "me" };
  const acquired = await acquire(t, "password", { settings, secrets: { password: "pw" } });
  t.is(acquired.refreshToken, undefined);
});

test("an otp_secret that is none is for a person, before anything is sent", async (t) => {
  const issuer = await startIssuer(t, OK);
  const attempt = acquire(t, "password", {
    settings: { token_url: issuer.url, username: "me" },
    secrets: { password: "pw", otp_secret: "not base32!" },
  });
  const error = await t.throwsAsync(attempt, { message: /"demo" .*otp_secret/ });
  t.like(error, { reason: "credential_rejected", contact: { sent: false, answered: false } });
  t.is(issuer.requests.length, 0);
});

test("a code that the issuer calls used waits for the next one; one that it refuses is for a person", async (t) => {
  const now = Date.UTC(2026, 0, 1, 0, 0, 20);
  const headers = { date: new Date(now).toUTCString() };
  const attempt = async (status: number, json: object, otp_secret = "GEZDGNBVGY3TQOJQ") => {
    const issuer = await startIssuer(t, { status, headers, json });
    const settings = { token_url: issuer.url, username: "me" };
    const secrets = { password: "pw", ...(otp_secret && { otp_secret }) };
    const wanted = { settings, secrets, rejectedOn: [{ status: 401 }], now };
    return await t.throwsAsync<AuthdError>(acquire(t, "password", wanted));
  };
  const used = { detail: "This OTP code has already been used" };
  const waits = await attempt(401, used);
  t.like(waits, { reason: "issuer_unavailable", retryAfterMs: 10_000 });
  t.regex(waits?.message ?? "", /demo.*one-time code was used/);
  const minute = "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&period=60";
  t.like(await attempt(401, used, minute), { retryAfterMs: 40_000 });
  const wrong = { detail: "OTP of Two-Factor Authentication is invalid" };
  const refused = await attempt(401, wrong);
  t.is(refused?.reason, "credential_rejected");
  t.regex(refused?.message ?? "", /refused the one-time code.*clock.*otp_secret.*authd set demo/);
  const oauth = { error: "invalid_grant", error_description: "Wrong one-time password" };
  const named = await attempt(400, oauth);
  t.is(named?.reason, "credential_rejected");
  t.is(named?.oauth?.error, "invalid_grant");
  t.regex(named?.message ?? "", /refused the one-time code/);
  const other = await attempt(401, { detail: "Incorrect username or password" });
  t.is(other?.reason, "credential_rejected");
  t.notRegex(other?.message ?? "", /one-time code/);
  t.is((await attempt(401, used, ""))?.reason, "credential_rejected", "it has no code");
});

test("a code refused by an issuer whose clock is another says nothing against the password", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const attempt = async (ahead: number, secrets: Record<string, string>) => {
    const headers = { date: new Date(now + ahead).toUTCString() };
    const issuer = await startIssuer(t, { status: 401, headers, json: { detail: "Incorrect" } });
    const settings = { token_url: issuer.url, username: "me" };
    const wanted = { settings, secrets: { password: "pw", ...secrets }, now };
    return await t.throwsAsync<AuthdError>(acquire(t, "password", wanted));
  };
  const code = { otp_secret: "GEZDGNBVGY3TQOJQ" };
  for (const [ahead, said] of [
    [300_000, /clock is 300 s behind the issuer's/],
    [-300_000, /clock is 300 s ahead of the issuer's/],
  ] as const) {
    const error = await attempt(ahead, code);
    t.like(error, { reason: "issuer_unavailable", contact: { blocked: true } });
    t.regex(error?.message ?? "", said);
    t.is(error?.contact?.refusal, undefined);
    t.like(await attempt(ahead, {}), { contact: { refusal: 'HTTP 401: "Incorrect"' } });
  }
  t.like(await attempt(30_000, code), { contact: { refusal: 'HTTP 401: "Incorrect"' } });
});

test("the secrets it asks for", (t) => {
  const { schema, secrets } = grants.password;
  const names = (extra: object) =>
    secrets(schema.parse({ token_url: "https://issuer.example", username: "me", ...extra })).map(
      ({ name, optional }) => (optional ? `${name}?` : name),
    );
  t.deepEqual(names({}), ["password", "otp_secret?"]);
  t.deepEqual(names({ client_id: "demo" }), ["password", "otp_secret?", "client_secret?"]);
});
