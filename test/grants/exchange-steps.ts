import { createHash, createHmac } from "node:crypto";
import test from "ava";
import { totp } from "../../src/base/totp.ts";
import { AuthdError } from "../../src/errors.ts";
import { acquire } from "../helpers/acquire.ts";
import { type RecordedRequest, type StubResponse, startIssuer } from "../helpers/issuer.ts";

const response = { token: "/token" };
const TOKEN = { json: { token: "abc", expires_in: 600 } };

/** Answers each path in its own way. */
const byPath = (answers: Record<string, StubResponse>) => (seen: RecordedRequest) =>
  answers[seen.path.split("?")[0] ?? ""] ?? { status: 404 };

test("a nonce of the first answer is signed in the second request", async (t) => {
  const issuer = await startIssuer(
    t,
    byPath({ "/nonce": { json: { data: { nonce: "n-1" } } }, "/login": TOKEN }),
  );
  const acquired = await acquire(t, "exchange", {
    settings: {
      secrets: ["key"],
      steps: [
        {
          method: "GET",
          url: `${issuer.origin}/nonce?user={user}`,
          take: { nonce: "/data/nonce" },
        },
        {
          url: `${issuer.origin}/login`,
          values: { message: "{user}.{nonce}.{now_ms}" },
          headers: { "x-signature": "{message|hmac_sha256:secret.key|base64}" },
          json: { user: "{user}", nonce: "{nonce}", at: "{now_ms}", hash: "{secret.key|md5}" },
        },
      ],
      response,
    },
    fields: { user: "ada" },
    secrets: { key: "k" },
    now: 1_700_000_000_000,
  });
  t.is(acquired.accessToken, "abc");
  const [first, second] = issuer.requests;
  t.is(first!.path, "/nonce?user=ada");
  t.deepEqual(JSON.parse(second!.body), {
    user: "ada",
    nonce: "n-1",
    at: "1700000000000",
    hash: createHash("md5").update("k").digest("hex"),
  });
  const signed = createHmac("sha256", "k").update("ada.n-1.1700000000000").digest("base64");
  t.is(second!.headers["x-signature"], signed);
});

test("a page's form token and its cookie go with the form, whose redirect is no mistake", async (t) => {
  const page = `<html><input type=hidden value="a&amp;b&#61;" name='csrf[token]'></html>`;
  const issuer = await startIssuer(
    t,
    byPath({
      "/sign-in": {
        headers: { "content-type": "text/html", "set-cookie": "session=one; Path=/; HttpOnly" },
        body: page,
      },
      "/session": {
        status: 302,
        headers: { location: "/home", "set-cookie": "session=two; Path=/" },
      },
      "/api/token": TOKEN,
    }),
  );
  await acquire(t, "exchange", {
    settings: {
      secrets: ["password"],
      token_headers: { "x-requested-with": "{app}" },
      steps: [
        { method: "GET", url: `${issuer.origin}/sign-in`, take: { csrf: "form:csrf[token]" } },
        {
          url: `${issuer.origin}/session`,
          headers: { cookie: "consent=yes" },
          form: { csrf: "{csrf}", password: "{secret.password}" },
        },
        { method: "GET", url: `${issuer.origin}/api/token` },
      ],
      response,
    },
    fields: { app: "reports" },
    secrets: { password: "pw" },
  });
  const [first, second, third] = issuer.requests;
  t.false("cookie" in first!.headers);
  t.is(second!.headers.cookie, "consent=yes; session=one");
  t.deepEqual(Object.fromEntries(second!.form), { csrf: "a&b=", password: "pw" });
  t.is(third!.headers.cookie, "session=two");
  t.true(issuer.requests.every(({ headers }) => headers["x-requested-with"] === "reports"));
});

test("a cookie of a redirect can be the token", async (t) => {
  const headers = { location: "/home", "set-cookie": "sid=abc; Path=/" };
  const issuer = await startIssuer(t, { status: 303, headers });
  const request = { url: issuer.url, form: { user: "me" } };
  const settings = { request, response: { token: "cookie:sid" } };
  t.is((await acquire(t, "exchange", { settings })).accessToken, "abc");
  const elsewhere = { request, response };
  await t.throwsAsync(acquire(t, "exchange", { settings: elsewhere }), { message: /redirects to/ });
});

test("an answer without a value that is taken names it, and later requests are not sent", async (t) => {
  const issuer = await startIssuer(t, { json: { other: 1 } });
  const settings = {
    steps: [
      { url: `${issuer.origin}/a`, take: { nonce: "/nonce" } },
      { url: `${issuer.origin}/b`, text: "{nonce}" },
    ],
    response,
  };
  const error = await t.throwsAsync(acquire(t, "exchange", { settings }), {
    instanceOf: AuthdError,
  });
  t.is(error.reason, "issuer_unavailable");
  t.regex(error.message, /nothing at steps\[1\]\.take\.nonce = "\/nonce"/);
  t.is(issuer.requests.length, 1);
  issuer.answer({ status: 401, json: { message: "wrong user" } });
  const refused = await t.throwsAsync(acquire(t, "exchange", { settings }), {
    instanceOf: AuthdError,
  });
  t.regex(refused.contact?.refusal ?? "", /401/);
});

test("an error quotes no value that was made of a secret, or taken on the way", async (t) => {
  const hash = createHash("sha256").update("hunter22").digest("hex");
  const issuer = await startIssuer(t, (seen) =>
    seen.path === "/a"
      ? { json: { session: "session-practice-1" } }
      : { status: 400, json: { message: `bad ${hash} session-practice-1` } },
  );
  const settings = {
    secrets: ["password"],
    steps: [
      { url: `${issuer.origin}/a`, take: { session: "/session" } },
      { url: `${issuer.origin}/b`, json: { s: "{session}", p: "{secret.password|sha256}" } },
    ],
    response,
  };
  const wanted = { settings, secrets: { password: "hunter22" } };
  const error = await t.throwsAsync(acquire(t, "exchange", wanted), { instanceOf: AuthdError });
  t.false(error.message.includes(hash) || error.message.includes("session-practice-1"));
});

for (const [how, answer] of Object.entries({
  "an answer that never comes": undefined,
  "a refusal": { status: 401 },
  "no such page": { status: 404 },
}) as [string, StubResponse | undefined][]) {
  test(`a path with a value that was taken or made is not told: ${how}`, async (t) => {
    const made = createHash("md5").update("hunter22").digest("hex");
    const issuer = await startIssuer(t, ({ path }, sent) => {
      if (path === "/a") return { json: { sid: "s7" } };
      if (!answer) sent.socket?.destroy();
      return answer;
    });
    for (const url of ["drop/{sid}", "drop/{digest}", "drop/{secret.password|md5}"]) {
      const settings = {
        secrets: ["password"],
        steps: [
          { url: `${issuer.origin}/a`, take: { sid: "/sid" } },
          { url: `${issuer.origin}/${url}`, values: { digest: "{secret.password|md5}" } },
        ],
        response,
      };
      const wanted = { settings, secrets: { password: "hunter22" } };
      const error = await t.throwsAsync(acquire(t, "exchange", wanted), { instanceOf: AuthdError });
      const told = `${error.message} ${error.endpoint}`;
      t.false(/drop|s7/.test(told) || told.includes(made), told);
      t.is(error.endpoint, new URL(issuer.origin).host);
    }
  });
}

test("a value of an answer that fits no header is the answer's fault", async (t) => {
  const issuer = await startIssuer(t, { json: { nonce: "a\nb" } });
  const settings = {
    steps: [
      { url: `${issuer.origin}/a`, take: { nonce: "/nonce" } },
      { url: `${issuer.origin}/b`, headers: { "x-nonce": "{nonce}" } },
    ],
    response,
  };
  const error = await t.throwsAsync(acquire(t, "exchange", { settings }), {
    instanceOf: AuthdError,
  });
  t.is(error.reason, "issuer_unavailable");
  t.is(issuer.requests.length, 1);
});

test("HTTP Basic and a one-time code in one request", async (t) => {
  const issuer = await startIssuer(t, TOKEN);
  const codeAt = 1_700_000_000_000;
  await acquire(t, "exchange", {
    settings: {
      secrets: ["password", "otp"],
      request: {
        url: issuer.url,
        headers: { authorization: "{user|basic:secret.password}" },
        form: { code: "{secret.otp|totp}" },
      },
      response,
    },
    fields: { user: "ada" },
    secrets: { password: "pw", otp: "GEZDGNBVGY3TQOJQ" },
    codeAt,
  });
  const [request] = issuer.requests;
  t.is(request!.headers.authorization, `Basic ${btoa("ada:pw")}`);
  t.is(request!.form.get("code"), totp("GEZDGNBVGY3TQOJQ", codeAt));
});

test("a renewal has a request and places of its own, and brings the next secret", async (t) => {
  const issuer = await startIssuer(
    t,
    byPath({
      "/login": { json: { token: "one", refresh: "r1" } },
      "/refresh": { json: { data: { token: "two" }, refresh: "r2" } },
    }),
  );
  const settings = {
    secrets: ["password"],
    request: { url: `${issuer.origin}/login`, json: { p: "{secret.password}" } },
    renew: {
      url: `${issuer.origin}/refresh`,
      json: { r: "{secret.refresh}" },
      response: { token: "/data/token" },
    },
    rotates: { refresh: "refresh" },
    response,
  };
  const first = await acquire(t, "exchange", { settings, secrets: { password: "pw" } });
  t.like(first, { accessToken: "one", refreshToken: "r1" });
  const secrets = { password: "pw", refresh: "r1" };
  const second = await acquire(t, "exchange", { settings, secrets });
  t.like(second, { accessToken: "two", refreshToken: "r2" });
  t.is(issuer.requests[1]!.body, '{"r":"r1"}');
});
