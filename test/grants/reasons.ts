/** Tells what an issuer said, where it was asked, and what to do. */
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { acquire, type Wanted } from "../helpers/acquire.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";

const SECRET = "practice-secret-71";

/** Returns what is said of one answer, with the address as HOST. */
async function said(
  t: ExecutionContext,
  answer: StubResponse,
  { path = "/oauth/token", secret = SECRET } = {},
): Promise<string> {
  const { origin } = await startIssuer(t, answer);
  const settings = { token_url: origin + path, client_id: "demo" };
  const asked = acquire(t, "client_credentials", { settings, secrets: { client_secret: secret } });
  return hostless(origin, await failure(t, asked));
}

async function failure(t: ExecutionContext, asked: Promise<unknown>): Promise<AuthdError> {
  return (await t.throwsAsync(asked, { instanceOf: AuthdError }))!;
}

function hostless(origin: string, { message }: AuthdError): string {
  return message.replaceAll(new URL(origin).host, "HOST");
}

const html = (title: string, status: number): StubResponse => ({
  status,
  headers: { "content-type": "text/html; charset=utf-8" },
  body: `<!doctype html><html><head><meta x><TITLE lang="en">${title}</TITLE></head><body>Secret ${SECRET}</body>`,
});

const REASONS: readonly (readonly [StubResponse, string])[] = [
  [{ status: 500, json: { message: "Database is down" } }, "Database is down"],
  [{ status: 400, json: { error: "Wrong client, it seems" } }, "Wrong client, it seems"],
  [{ status: 404, json: { detail: "No such tenant" } }, "No such tenant"],
  [{ status: 422, json: { errors: [{ message: "No such user" }] } }, "No such user"],
  [{ status: 403, json: { errors: ["Blocked: ask support"] } }, "Blocked: ask support"],
  [{ status: 400, json: { error: "invalid_scope", error_description: "Not yours" } }, "Not yours"],
  [
    {
      status: 503,
      headers: { "content-type": "application/problem+json" },
      body: JSON.stringify({ type: "about:blank", title: "Busy", detail: "Back at noon" }),
    },
    "Busy: Back at noon",
  ],
  [html("502 Bad\n  Gateway &amp; more", 502), "502 Bad Gateway & more"],
  [html("Sign in", 200), "Sign in"],
];

for (const [answer, reason] of REASONS) {
  test(`HTTP ${answer.status ?? 200} with the reason ${reason}`, async (t) => {
    const message = await said(t, answer);
    t.true(message.includes(`"${reason}"`), message);
    t.true(message.startsWith('"demo" got no token from HOST/oauth/token: '), message);
    t.false(message.includes(SECRET));
  });
}

test("a reason is one line of at most 200 characters, cut at a word", async (t) => {
  const long = "no \u001b[31mtoken\r\nfor you, ".repeat(30);
  for (const answer of [
    {
      status: 400,
      json: { message: long, error: long.replaceAll("no", "yes"), detail: "x".repeat(40) },
    },
    html(long, 404),
  ]) {
    const message = await said(t, answer);
    const [, reason = ""] = /"((?:no|yes) [^"]*)"/.exec(message) ?? [];
    t.regex(reason, /^[^\p{C}]{120,199}(no|yes|token|for|you,|\[31mtoken)…$/u, message);
    t.true(Array.from(reason).length <= 200);
  }
});

test("a reason that repeats a secret, or a token of the answer, is not shown", async (t) => {
  const issued = "practice-issued-72";
  for (const answer of [
    html(`Hello ${SECRET}`, 403),
    html(`Hello ${Buffer.from(SECRET).toString("base64")}`, 403),
    { status: 403, json: { message: `${SECRET} is void` } },
    { status: 403, json: { message: `${issued} is void`, access_token: issued } },
  ]) {
    const message = await said(t, answer);
    t.notRegex(message, /practice|is void|Hello/);
    t.regex(message, /HTTP 403/);
  }
});

test("what answers 404, 405 or a redirect names the key of the address", async (t) => {
  const location = "https://elsewhere.example/login?next=x";
  for (const answer of [
    { status: 404, body: "" },
    { status: 405, body: "" },
    html("Not Found", 404),
    html("Sign in", 200),
    { status: 302, headers: { location } },
    { status: 200, body: "" },
  ]) {
    const message = await said(t, answer);
    t.regex(message, /from HOST\/oauth\/token: .*token_url/);
    const { origin } = await startIssuer(t, answer);
    const asked = acquire(t, "exchange", {
      settings: { request: { url: `${origin}/sign-in` }, response: { token: "/token" } },
    });
    t.regex(hostless(origin, await failure(t, asked)), /from HOST\/sign-in: .*request\.url/);
  }
});

test("a path is told without the secret that it may hold, and the query never is", async (t) => {
  const long = "/auth/realms/a-long-name-of-a-company/protocol/openid-connect/token";
  t.regex(
    await said(t, { status: 500 }, { path: long }),
    /from HOST\/auth\/realms\/a-long.*\/token: /,
  );
  t.regex(await said(t, { status: 500 }, { path: "/" }), /from HOST: /);
  t.regex(await said(t, { status: 500 }, { path: "/t?key=hidden" }), /from HOST\/t: /);
  const { origin } = await startIssuer(t, { status: 500 });
  for (const url of [`${origin}/bot{secret.key}/x`, `http://127.0.0.1:1/bot{secret.key}/x`]) {
    const wanted: Wanted = {
      settings: { request: { url }, response: { token: "/token" }, secrets: ["key"] },
      secrets: { key: SECRET },
    };
    const { message } = await failure(t, acquire(t, "exchange", wanted));
    t.regex(message, /from 127\.0\.0\.1:\d+: /);
    t.false(message.includes(SECRET));
  }
  const unknown = `${origin}/${"0123456789abcdef".repeat(4)}`;
  const settings = { request: { url: unknown }, response: { token: "/token" } };
  t.notRegex((await failure(t, acquire(t, "exchange", { settings }))).message, /0123456789abcdef/);
});

test("a refused secret with white space around it is told", async (t) => {
  const refused = { status: 401, json: { error: "invalid_client" } };
  const unknown = { status: 401, body: "" };
  for (const answer of [refused, unknown]) {
    const ends = await said(t, answer, { secret: `${SECRET}\n` });
    t.regex(ends, /; client_secret ends in a line break, .* enter it without/);
    const begins = await said(t, answer, { secret: ` ${SECRET}` });
    t.regex(begins, /; client_secret has white space around it/);
    for (const message of [ends, begins]) t.false(message.includes(SECRET));
    t.notRegex(await said(t, answer), /white space|line break/);
  }
  t.notRegex(await said(t, { status: 500 }, { secret: `${SECRET}\n` }), /line break/);
});
