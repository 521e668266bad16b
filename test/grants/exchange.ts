import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { grants } from "../../src/grants/index.ts";
import { acquire, jwt } from "../helpers/acquire.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";

const { schema, issuerUrl, acceptsTarget: variants } = grants.exchange;
const OK: StubResponse = { json: { token: "abc" } };
const response = { token: "/token" };

test("OneStep: the API token as a JSON string, the JWT as plain text, its lifetime from exp", async (t) => {
  const token = jwt({ exp: 1_700_003_600 });
  const issuer = await startIssuer(t, {
    body: `${token}\r\n`,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
  const acquired = await acquire(t, "exchange", {
    settings: {
      request: { url: "{base_url}/Users/SignIn", json: "{secret.api_token}" },
      response: { token: "text" },
      secrets: ["api_token"],
    },
    fields: { base_url: `${issuer.origin}/api` },
    secrets: { api_token: 'demo "quoted"' },
  });
  t.is(acquired.accessToken, token);
  t.is(acquired.tokenType, "Bearer");
  t.is(acquired.expiresIn, undefined);
  t.deepEqual(acquired.jwt, { exp: 1_700_003_600 });
  const [request] = issuer.requests;
  t.is(request!.path, "/api/Users/SignIn");
  t.is(request!.body, '"demo \\"quoted\\""');
  t.is(request!.headers["content-type"], "application/json");
});

test("OneStep's older API: the token in the query, percent-encoded", async (t) => {
  const issuer = await startIssuer(t, { body: "abc.def" });
  await acquire(t, "exchange", {
    settings: {
      request: { method: "get", url: "{base}/Users/SignIn?token={secret.api_token}", json: {} },
      response: { token: "text" },
      secrets: ["api_token"],
    },
    fields: { base: `${issuer.origin}/` },
    secrets: { api_token: "a&b=c d/é" },
  });
  const [request] = issuer.requests;
  t.is(request!.method, "GET");
  t.is(request!.path, "/Users/SignIn?token=a%26b%3Dc%20d%2F%C3%A9");
  t.is(request!.body, "");
  t.is(request!.headers["content-type"], undefined);
});

test("a form: encoded by itself, members without a value left out, unknown braces kept", async (t) => {
  const issuer = await startIssuer(t, OK);
  await acquire(t, "exchange", {
    settings: {
      request: {
        url: issuer.url,
        form: { a: "{x}", b: "{secret.pin}", c: "{secret.none}", d: "{y} {}", n: 1, s: "{scope}" },
      },
      response,
      secrets: ["pin", "none"],
    },
    fields: { x: "1&2={secret.pin}" },
    secrets: { pin: "p+p" },
  });
  const [request] = issuer.requests;
  t.deepEqual(
    [...request!.form],
    [
      ["a", "1&2={secret.pin}"],
      ["b", "p+p"],
      ["d", "{y} {}"],
      ["n", "1"],
    ],
  );
  t.is(request!.headers["content-type"], "application/x-www-form-urlencoded");
});

test("a JSON object, filled in at any depth, its numbers and names left alone", async (t) => {
  const issuer = await startIssuer(t, OK);
  const json = {
    user: { name: "{name}", pin: "{secret.pin}", gone: "{secret.none}" },
    list: ["{name}", "{secret.none}", 1, null, true, { "{name}": "{other}" }],
  };
  await acquire(t, "exchange", {
    settings: { request: { url: issuer.url, json }, response, secrets: ["pin", "none"] },
    fields: { name: 'a"b\n' },
    secrets: { pin: "1234" },
  });
  t.deepEqual(JSON.parse(issuer.requests[0]!.body), {
    user: { name: 'a"b\n', pin: "1234" },
    list: ['a"b\n', 1, null, true, { "{name}": "{other}" }],
  });
});

test("text as it is, with headers of one's own: the content type too", async (t) => {
  const issuer = await startIssuer(t, OK);
  const request = {
    method: "put",
    url: issuer.url,
    text: "<login>{secret.pin}</login>",
    headers: {
      "Content-Type": "application/xml",
      "X-Key": "k-{secret.pin}",
      "X-No": "{secret.none}",
    },
  };
  await acquire(t, "exchange", {
    settings: { request, response, secrets: ["pin", "none"] },
    secrets: { pin: "1234" },
  });
  const [{ method, headers, body } = issuer.requests[0]!] = issuer.requests;
  t.is(method, "PUT");
  t.is(body, "<login>1234</login>");
  t.is(headers["content-type"], "application/xml");
  t.is(headers["x-key"], "k-1234");
  t.is(headers["x-no"], undefined);
});

test("POST without a body is fine; GET and HEAD never have one", async (t) => {
  const issuer = await startIssuer(t, { headers: { "x-token": "abc" } });
  for (const method of ["POST", "GET", "HEAD"]) {
    const request = { method, url: issuer.url, ...(method === "POST" ? {} : { text: "body" }) };
    await acquire(t, "exchange", { settings: { request, response: { token: "header:X-Token" } } });
    t.is(issuer.requests.at(-1)!.body, "");
    t.is(issuer.requests.at(-1)!.method, method);
  }
});

test("the token out of a JSON pointer, the whole text, a JSON string, a header or a form", async (t) => {
  const cases: [StubResponse, string, string][] = [
    [{ json: { data: { "a/b": [{ "m~n": "t1" }] } } }, "/data/a~1b/0/m~0n", "t1"],
    [{ body: " t2 \n" }, "text", "t2"],
    [{ body: '<form><input name="jwt" value="t5&amp;"></form>' }, "form:jwt", "t5&"],
    [{ json: "t3" }, "text", "t3"],
    [{ status: 204, headers: { "x-token": "t4" } }, "header:X-Token", "t4"],
    [{ headers: { authorization: "bearer t5" } }, "header:Authorization", "t5"],
  ];
  for (const [answer, token, expected] of cases) {
    const issuer = await startIssuer(t, answer);
    const settings = { request: { url: issuer.url }, response: { token } };
    t.is((await acquire(t, "exchange", { settings })).accessToken, expected);
  }
});

test("what is no token is no complete answer, and is not shown", async (t) => {
  const cases: [StubResponse, string][] = [
    [{ body: "Sign-in failed, sorry" }, "text"],
    [{ body: "<html><body>hello</body></html>" }, "text"],
    [{ body: "" }, "text"],
    [{ json: { token: true } }, "/token"],
    [{ json: { token: "" } }, "/token"],
    [{ json: { token: "a\nsorry" } }, "/token"],
    [{ json: {} }, "/constructor/name"],
    [{ body: "sorry" }, "/token"],
    [{ json: {} }, "header:X-Token"],
  ];
  for (const [answer, token] of cases) {
    const issuer = await startIssuer(t, answer);
    const settings = { request: { url: issuer.url }, response: { token } };
    const attempt = acquire(t, "exchange", { settings });
    const error = await t.throwsAsync(attempt, { instanceOf: AuthdError }, JSON.stringify(answer));
    t.is(error!.reason, "issuer_unavailable");
    t.deepEqual(error!.contact, { sent: true, answered: false, lasting: true });
    t.false(error!.message.includes("sorry"));
  }
});

test("the lifetime out of expires_in, or expires_at in seconds, milliseconds and ISO 8601", async (t) => {
  const date = "Tue, 14 Nov 2023 22:13:20 GMT";
  const cases: [string, unknown, number | undefined][] = [
    ["expires_in", 3600, 3600],
    ["expires_in", "3600", 3600],
    ["expires_in", null, undefined],
    ["expires_at", 1_700_000_060, 60],
    ["expires_at", "1700000060", 60],
    ["expires_at", 1_700_000_060_000, 60],
    ["expires_at", "2023-11-14T22:14:20Z", 60],
    ["expires_at", "2023-11-14T22:14:20.5000000Z", 60.5],
    ["expires_at", "2023-11-14T22:14:20", 60],
    ["expires_at", "2023-11-14 22:14:20", 60],
    ["expires_at", "2023-11-14T23:14:20+01:00", 60],
    ["expires_at", "2023-11-14T23:14:20+0100", 60],
    ["expires_at", "2023-11-15", 6400],
    ["expires_at", "2001-01-01T00:00:00Z", 0],
    ["expires_at", "tomorrow", undefined],
    ["expires_at", "2023-13-45T99:00:00Z", undefined],
    ["expires_at", -5, undefined],
    ["expires_at", null, undefined],
  ];
  for (const [key, value, expected] of cases) {
    const issuer = await startIssuer(t, {
      json: { token: "abc", a: { b: value } },
      headers: { date },
    });
    const settings = { request: { url: issuer.url }, response: { ...response, [key]: "/a/b" } };
    const { expiresIn } = await acquire(t, "exchange", { settings });
    t.is(expiresIn, expected, `${key} ${String(value)}`);
  }
});

test("the token's type: said, pointed to, or Bearer", async (t) => {
  const issuer = await startIssuer(t, { json: { token: "abc", kind: "bearer", odd: "a b" } });
  for (const [token_type, expected] of [
    ["JWT", "JWT"],
    ["/kind", "Bearer"],
    ["/odd", "Bearer"],
    [undefined, "Bearer"],
  ] as const) {
    const settings = { request: { url: issuer.url }, response: { ...response, token_type } };
    t.is((await acquire(t, "exchange", { settings })).tokenType, expected);
  }
});

test("a sign-in's refusal: a status that is listed, an OAuth error, also with status 200", async (t) => {
  const cases: [StubResponse, number[], string][] = [
    [{ status: 401, body: "no" }, [], "issuer_unavailable"],
    [{ status: 401, body: "no" }, [401], "credential_rejected"],
    [{ status: 400, body: "no" }, [400], "credential_rejected"],
    [{ status: 400, body: "no" }, [], "issuer_unavailable"],
    [{ status: 200, json: { error: "invalid_client" } }, [], "credential_rejected"],
    [{ status: 500, body: "no" }, [400, 401], "issuer_unavailable"],
  ];
  for (const [answer, statuses, reason] of cases) {
    const issuer = await startIssuer(t, answer);
    const settings = { request: { url: issuer.url }, response };
    const rejectedOn = statuses.map((status) => ({ status }));
    const attempt = acquire(t, "exchange", { settings, rejectedOn });
    t.like(await t.throwsAsync(attempt), { reason, contact: { sent: true, answered: true } });
  }
});

test("an error inside an answer without a token is a refusal; a wrong address names request.url", async (t) => {
  const cases: [StubResponse, object, RegExp][] = [
    [{ json: { error: "invalid_code" } }, { refusal: "invalid_code, HTTP 200" }, /invalid_code/],
    [{ json: { errcode: 40125, token: "" } }, { refusal: 'HTTP 200: "40125"' }, /40125/],
    [{ body: '{"message":"sorry"}' }, { refusal: 'HTTP 200: "sorry"' }, /sorry/],
    [{ status: 405, body: "" }, { lasting: true }, /request\.url/],
    [{ status: 307, headers: { location: "/" } }, { lasting: true }, /request\.url/],
    [{ body: "<html>hello" }, { lasting: true, answered: false }, /request\.url/],
  ];
  for (const [answer, contact, said] of cases) {
    const issuer = await startIssuer(t, answer);
    const settings = { request: { url: issuer.url }, response };
    const error = await t.throwsAsync(acquire(t, "exchange", { settings }), {
      instanceOf: AuthdError,
    });
    t.is(error!.reason, "issuer_unavailable");
    t.deepEqual(error!.contact, { sent: true, answered: true, ...contact });
    t.regex(error!.message, said);
  }
});

test("a caller's scope and audience fill templates, encoded; left out they say nothing", async (t) => {
  const issuer = await startIssuer(t, OK);
  const request = { url: `${issuer.url}?aud={audience}`, form: { scope: "{scope}", z: "1" } };
  const settings = { request, response };
  await acquire(t, "exchange", { settings, scope: "a b", audience: "x&y" });
  t.is(issuer.requests[0]!.path, "/token?aud=x%26y");
  t.is(issuer.requests[0]!.body, "scope=a+b&z=1");
  await acquire(t, "exchange", { settings });
  t.is(issuer.requests[1]!.path, "/token?aud=");
  t.is(issuer.requests[1]!.body, "z=1");
  t.true(variants(schema.parse(settings)));
  t.false(variants(schema.parse({ request: { url: issuer.url }, response })));
});

test("a caller's scope that does not fit is the caller's fault, and sends nothing", async (t) => {
  const issuer = await startIssuer(t, OK);
  const request = { url: issuer.url, headers: { "x-scope": "{scope}" } };
  const attempt = acquire(t, "exchange", { settings: { request, response }, scope: "a\r\nb: c" });
  t.like(await t.throwsAsync(attempt), { reason: "invalid_params" });
  t.is(issuer.requests.length, 0);
});

test("a secret that does not fit a header is for a person, and is not shown", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = {
    request: { url: issuer.url, headers: { "x-key": "{secret.pin}" } },
    response,
    secrets: ["pin"],
  };
  const attempt = acquire(t, "exchange", { settings, secrets: { pin: "12\n34" } });
  const error = await t.throwsAsync(attempt, { message: /"demo" .*secret "pin"/ });
  t.like(error, { reason: "credential_rejected", contact: { sent: false, answered: false } });
  t.false(error!.message.includes("12"));
});

test("a URL that lacks a value, or becomes none, names what is wrong", async (t) => {
  for (const [url, fields, message] of [
    ["{base}/x?k={secret.pin}", { base: "https://api.example" }, /secret "pin" has no value/],
    ["{base}/x", { base: "api.example" }, /complete URL/],
    ["{secret.pin}/x", {}, /secret "pin" has no value/],
  ] as const) {
    const settings = { request: { url }, response, secrets: ["pin"] };
    const error = await t.throwsAsync(acquire(t, "exchange", { settings, fields }), { message });
    t.like(error, { reason: "credential_rejected" });
  }
});

test("where its secrets go, for the cap of flights a host", (t) => {
  const settings = schema.parse({ request: { url: "{base}/in?x={secret.pin}" }, response });
  t.is(
    issuerUrl(settings, { base: "https://api.example" }),
    "https://api.example/in?x={secret.pin}",
  );
});

test("settings that make no sense are refused", (t) => {
  const url = "https://api.example/sign-in";
  const good = { request: { url }, response };
  t.true(schema.safeParse(good).success);
  for (const bad of [
    { ...good, token_url: url },
    { request: { url, query: {} }, response },
    { request: {}, response },
    { request: { url, method: "TRACE" }, response },
    { request: { url, method: "PO ST" }, response },
    { request: { url, form: {}, json: {} }, response },
    { request: { url, headers: { Host: "x" } }, response },
    { request: { url, headers: { "a b": "x" } }, response },
    { request: { url, headers: { a: "x\r\ny" } }, response },
    { request: { url }, response: { token: "data.token" } },
    { request: { url }, response: { token: "header:" } },
    { request: { url }, response: { token: "/a~2" } },
    { request: { url }, response: { ...response, expires_in: "/a", expires_at: "/b" } },
    { request: { url }, response: { ...response, expires_in: "3600" } },
    { request: { url }, response, secrets: ["a b"] },
  ]) {
    t.false(schema.safeParse(bad).success, JSON.stringify(bad));
  }
});
