import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import type { AnswerCondition } from "../../src/grants/answer-condition.ts";
import { acquire } from "../helpers/acquire.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";

const SECRET = "s3cret+/value";
const HELD = "h3ld-before";
const DATE = { date: "Tue, 14 Nov 2023 22:13:20 GMT" };

async function refused(
  t: ExecutionContext,
  answer: StubResponse,
  options: { grant?: "client_credentials" | "refresh_token"; rejectedOn?: AnswerCondition[] } = {},
): Promise<AuthdError> {
  const { grant = "client_credentials", rejectedOn = [] } = options;
  const { url, requests } = await startIssuer(t, answer);
  const settings = { token_url: url, client_id: "demo" };
  const secrets = { client_secret: SECRET, refresh_token: "r3fresh" };
  const wanted = { settings, secrets, held: [HELD], rejectedOn };
  const error = await t.throwsAsync(acquire(t, grant, wanted), { instanceOf: AuthdError });
  t.is(requests.length, 1);
  t.is(error!.credential, "demo");
  t.is(error!.cause, undefined);
  t.regex(error!.message, /"demo"/);
  return error!;
}

const html = (status: number): StubResponse => ({
  status,
  headers: { "content-type": "text/html; charset=utf-8" },
  body: "<html><body>Access denied for s3cret+/value</body></html>",
});

test("errors of RFC 6749 are for a person, whatever their status", async (t) => {
  const codes = ["invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope"];
  for (const error of [...codes, "unsupported_grant_type", "invalid_request"]) {
    for (const status of [400, 401, 403, 500]) {
      const failure = await refused(t, { status, json: { error } });
      t.is(failure.reason, "credential_rejected", `${error} ${status}`);
      t.deepEqual(failure.oauth, { error, status });
      const refusal = `${error}, HTTP ${status}`;
      t.deepEqual(failure.contact, { sent: true, answered: true, refusal });
      t.regex(failure.message, /authd set demo/);
    }
  }
});

test("invalid_grant on a refresh token asks for a new sign-in", async (t) => {
  const answer = { status: 400, json: { error: "invalid_grant" } };
  t.is((await refused(t, answer, { grant: "refresh_token" })).reason, "login_required");
  const client = { status: 401, json: { error: "invalid_client" } };
  t.is((await refused(t, client, { grant: "refresh_token" })).reason, "credential_rejected");
});

test("no token is in an error's words: neither one of the answer itself nor one of before", async (t) => {
  const says = async (json: object) =>
    (await refused(t, { status: 400, json: { error: "invalid_scope", ...json } })).oauth
      ?.error_description;
  const bare = "jU5t-1ssued";
  t.is(await says({ error_description: `${bare} is void`, access_token: bare }), undefined);
  t.is(await says({ error_description: `${bare} is void`, data: { token: bare } }), undefined);
  t.is(await says({ error_description: `refusing ${HELD} now` }), undefined);
  for (const encoding of ["hex", "base64", "base64url"] as const) {
    for (const one of [SECRET, HELD]) {
      const shown = Buffer.from(one).toString(encoding);
      t.is(await says({ error_description: `got ${shown}` }), undefined, `${encoding} ${one}`);
    }
  }
  t.is(await says({ error_description: "no such scope", trace_id: "a" }), "no such scope");
});

test("temporarily_unavailable, server_error and slow_down are tried again", async (t) => {
  for (const error of ["temporarily_unavailable", "server_error", "slow_down"]) {
    for (const status of [200, 400, 401, 503]) {
      const failure = await refused(t, { status, json: { error } });
      t.is(failure.reason, "issuer_unavailable");
      t.deepEqual(failure.contact, { sent: true, answered: true, busy: true });
    }
  }
});

test("a rate limit is a rate limit, also if it calls itself invalid_request", async (t) => {
  for (const status of [429, 503]) {
    const headers = { "retry-after": "7" };
    const answer = { status, headers, json: { error: "invalid_request" } };
    const failure = await refused(t, answer, {
      rejectedOn: [{ status: 429 }, { status: 503 }],
    });
    t.is(failure.reason, "issuer_unavailable");
    t.is(failure.retryAfterMs, 7000);
    t.deepEqual(failure.contact, { sent: true, answered: true, busy: true });
  }
});

test("Retry-After as a date is read on the issuer's own clock", async (t) => {
  const headers = { ...DATE, "retry-after": "Tue, 14 Nov 2023 22:15:20 GMT" };
  t.is((await refused(t, { status: 503, headers })).retryAfterMs, 120_000);
  const past = { ...DATE, "retry-after": "Tue, 14 Nov 2023 22:00:00 GMT" };
  t.is((await refused(t, { status: 503, headers: past })).retryAfterMs, 0);
});

test("a Retry-After that means nothing is no Retry-After", async (t) => {
  for (const value of ["-1", "soon", "", "12 parsecs", "2023"]) {
    const expected = value === "2023" ? 2_023_000 : undefined;
    const failure = await refused(t, { status: 503, headers: { "retry-after": value } });
    t.is(failure.retryAfterMs, expected, value);
  }
});

test("a status that the API refuses secrets with is for a person", async (t) => {
  const answer = { status: 422, json: { reference: "no such user" } };
  const unlisted = await refused(t, answer);
  t.is(unlisted.reason, "issuer_unavailable");
  t.deepEqual(unlisted.contact, { sent: true, answered: true, lasting: true });
  const listed = await refused(t, answer, { rejectedOn: [{ status: 400 }, { status: 422 }] });
  t.is(listed.reason, "credential_rejected");
  t.is(listed.oauth, undefined);
});

test("a condition of rejected_on is for a person: a code in a 200, a header, a waiting status with more", async (t) => {
  const cases: [StubResponse, AnswerCondition, boolean][] = [
    [{ json: { code: 401 } }, { body: { "/code": 401 } }, true],
    [{ json: { code: "401" } }, { status: 200, body: { "/code": 401 } }, true],
    [{ json: { code: 500 } }, { body: { "/code": 401 } }, false],
    [{ json: { ok: false, access_token: "t" } }, { body: { "/ok": false } }, true],
    [{ json: { errors: [{ id: "locked" }] } }, { body: { "/errors/0/id": "locked" } }, true],
    [{ status: 500, body: "Bad PIN\n" }, { status: 500, body: { text: "Bad PIN" } }, true],
    [{ status: 503, json: { code: 7 } }, { status: 503, body: { "/code": 7 } }, true],
    [{ status: 503, json: { code: 8 } }, { status: 503, body: { "/code": 7 } }, false],
    [{ status: 418, headers: { "x-why": "Locked" } }, { header: { "x-why": "locked" } }, true],
    [{ status: 418, headers: { "x-why": "busy" } }, { header: { "x-why": "locked" } }, false],
  ];
  for (const [answer, condition, isFinal] of cases) {
    const { reason, contact } = await refused(t, answer, { rejectedOn: [condition] });
    const what = JSON.stringify([answer, condition]);
    t.is(reason, isFinal ? "credential_rejected" : "issuer_unavailable", what);
    if (isFinal) t.truthy(contact?.refusal, what);
  }
});

test("a 401 without an OAuth error is a refusal, in whatever form, but not yet the last", async (t) => {
  const answers: [StubResponse, string][] = [
    [{ status: 401, json: { detail: "Unknown user" } }, 'HTTP 401: "Unknown user"'],
    [{ status: 401, json: {} }, "HTTP 401"],
    [{ status: 401, body: "no" }, "HTTP 401"],
    [html(401), "HTTP 401"],
  ];
  for (const [answer, refusal] of answers) {
    const failure = await refused(t, answer);
    t.is(failure.reason, "issuer_unavailable");
    t.deepEqual(failure.contact, { sent: true, answered: true, refusal });
    t.true(failure.message.includes(refusal));
    t.false(failure.message.includes("Access denied"));
  }
});

test("an error in an API's own JSON is a refusal with 2xx, 400 and 422, told in its words", async (t) => {
  const cases: [unknown, string][] = [
    [{ message: "User name or password is wrong" }, ': "User name or password is wrong"'],
    [{ error: "invalid_code" }, ""],
    [{ errcode: 40125 }, ': "40125"'],
    [{ errcode: 40125, errmsg: "invalid appsecret" }, ': "40125: invalid appsecret"'],
    [{ error: { code: 7, message: "locked" } }, ': "7: locked"'],
    [{ errors: [{ message: "no such user" }], data: null }, ': "no such user"'],
    [[{ errorCode: "LOCKED", message: "locked" }], ': "LOCKED: locked"'],
    [{ data: { error_message: "expired" } }, ': "expired"'],
    [{ message: `for ${SECRET}` }, ""],
    [{ code: 500, message: "line\u001b[31m\nred" }, ': "500: line [31m red"'],
  ];
  for (const [json, words] of cases) {
    for (const status of [200, 201, 400, 422]) {
      const text = JSON.stringify(json);
      const failure = await refused(t, { status, body: text });
      t.is(failure.reason, "issuer_unavailable", text);
      const said = text.includes("invalid_code")
        ? `invalid_code, HTTP ${status}`
        : `HTTP ${status}${words}`;
      t.deepEqual(failure.contact, { sent: true, answered: true, refusal: said });
      t.false(failure.message.includes(SECRET));
    }
    for (const status of [404, 409, 500, 503]) {
      const failure = await refused(t, { status, body: JSON.stringify(json) });
      t.is(failure.contact?.refusal, undefined, `${status}`);
      t.is(failure.reason, "issuer_unavailable");
    }
  }
});

test("JSON that tells of no error is no refusal", async (t) => {
  for (const json of [
    {},
    { errcode: 0, errmsg: "ok" },
    { code: 200, error: null },
    { user: "me" },
  ]) {
    const failure = await refused(t, { status: 200, json });
    t.deepEqual(failure.contact, { sent: true, answered: false, lasting: true });
  }
});

test("an address that gives no token is named, and tried less and less often", async (t) => {
  for (const status of [404, 405, 410, 418]) {
    for (const answer of [html(status), { status, json: { message: "Not found" } }]) {
      const failure = await refused(t, answer);
      t.deepEqual(failure.contact, { sent: true, answered: true, lasting: true });
      t.regex(failure.message, /token_url/);
    }
  }
  const moved = await refused(t, { status: 302, headers: { location: "https://new.example/" } });
  t.deepEqual(moved.contact, { sent: true, answered: true, lasting: true });
  t.regex(moved.message, /https:\/\/new\.example.*token_url/);
  const page = await refused(t, { ...html(200) });
  t.deepEqual(page.contact, { sent: true, answered: false, lasting: true });
  t.regex(page.message, /token_url/);
});

test("a 403 that is no OAuth error blocks: a firewall's page", async (t) => {
  for (const answer of [html(403), { status: 403, json: { message: "Forbidden" } }]) {
    const failure = await refused(t, answer);
    t.is(failure.reason, "issuer_unavailable");
    t.deepEqual(failure.contact, { sent: true, answered: true, blocked: true });
  }
});

test("an HTML page with any other status is an ordinary failure, and nothing of it is shown", async (t) => {
  for (const status of [400, 404, 500]) {
    const failure = await refused(t, html(status));
    t.is(failure.reason, "issuer_unavailable");
    const lasting = status < 500 ? { lasting: true } : {};
    t.deepEqual(failure.contact, { sent: true, answered: true, ...lasting });
    t.false(failure.message.includes("Access denied"));
  }
});

test("502 and 504 count as no complete answer, 500 and 503 do not", async (t) => {
  for (const [status, answered] of [
    [502, false],
    [504, false],
    [500, true],
    [503, true],
  ] as const) {
    const failure = await refused(t, { status, body: "gateway" });
    const busy = status === 503 ? { busy: true } : {};
    t.deepEqual(failure.contact, { sent: true, answered, ...busy }, String(status));
  }
});

test("codes outside the RFC go by the status", async (t) => {
  const answer = (status: number) => ({ status, json: { error: "Internal Server Error" } });
  t.is((await refused(t, answer(500))).reason, "issuer_unavailable");
  t.is(
    (await refused(t, { status: 400, json: { error: { code: 7 } } })).reason,
    "issuer_unavailable",
  );
  const github = { status: 200, json: { error: "bad_refresh_token" } };
  t.is((await refused(t, github, { grant: "refresh_token" })).reason, "login_required");
});

test("error_description is shown without control characters and cut at a word", async (t) => {
  const error_description = `Wrong\x1b[31m\u202e\r\nclient ${"word ".repeat(100)}`;
  const json = { error: "invalid_client", error_description };
  const { oauth, message } = await refused(t, { status: 401, json });
  t.true(oauth!.error_description!.startsWith("Wrong [31m client word "));
  t.regex(oauth!.error_description!, /^.{180,199} word…$/);
  const one = { error: "invalid_client", error_description: "x-".repeat(20).concat(" ").repeat(9) };
  const { oauth: long } = await refused(t, { status: 401, json: one });
  t.true(Array.from(long!.error_description!).length <= 200);
  t.regex(message, /invalid_client \("Wrong/);
});

test("error_description that repeats a secret or holds a token is dropped", async (t) => {
  const basic = Buffer.from(`demo:${new URLSearchParams([["", SECRET]]).toString().slice(1)}`);
  const leaks = [
    `client_secret ${SECRET} is wrong`,
    "client_secret s3cret%2B%2Fvalue is wrong",
    "client_secret s3cret%2b/value is wrong",
    `client_secret ${Buffer.from(SECRET).toString("base64")} is wrong`,
    "s3cret\u200b+/value",
    `Authorization: Basic ${basic.toString("base64")}`,
    "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc is not active",
    `token ${"0123456789abcdef".repeat(4)} is not active`,
  ];
  for (const error_description of leaks) {
    const json = { error: "invalid_client", error_description };
    const failure = await refused(t, { status: 401, json });
    t.deepEqual(failure.oauth, { error: "invalid_client", status: 401 }, error_description);
    t.false(failure.message.includes("wrong") || failure.message.includes("active"));
  }
});

test("an error code that is the secret itself is not repeated", async (t) => {
  const failure = await refused(t, { status: 400, json: { error: "r3fresh" } });
  t.is(failure.oauth, undefined);
  t.false(failure.message.includes("r3fresh"));
});
