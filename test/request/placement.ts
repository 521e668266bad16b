import test from "ava";
import type { Handler } from "../helpers/api.ts";
import { requestRefused, startRequests } from "../helpers/request-owner.ts";

const TOKEN = "s3cr&t=1/+";
const ENCODED = encodeURIComponent(TOKEN);
const FORM = "application/x-www-form-urlencoded";

const ok: Handler = (_, response) => void response.end("ok");

/** A credential whose token is `api_key` in the query. */
async function inQuery(t: Parameters<typeof startRequests>[0], handler: Handler) {
  const placement = { query: { api_key: "{token}" } };
  const setup = await startRequests(t, handler, { placement });
  setup.owner.current = TOKEN;
  setup.owner.sent = (token) => ({ query: { api_key: token } });
  return setup;
}

test("the token is added to the query; the caller's parameter of that name is dropped, all others stay as they are", async (t) => {
  const { api, send } = await inQuery(t, ok);
  const paths: [given: string, sent: string][] = [
    ["/", `/?api_key=${ENCODED}`],
    ["/a?", `/a?api_key=${ENCODED}`],
    ["/a?b=c%20d+e&&f#g", `/a?b=c%20d+e&&f&api_key=${ENCODED}`],
    ["/a?api_key=theirs&b=1&api%5Fkey=x&api_key", `/a?b=1&api_key=${ENCODED}`],
  ];
  for (const [given] of paths) {
    const { url } = await send({ url: `${api.origin}${given}` });
    t.notRegex(url, /api_key/);
  }
  t.deepEqual(
    api.seen.map(({ url }) => url),
    paths.map(([, sent]) => sent),
  );
});

test("a redirect inside the origin gets it once more, and the answer's url never has it", async (t) => {
  const { api, send } = await inQuery(t, (seen, response) => {
    const location = `/b?x=1&${seen.url.split("?")[1]}&api_key=old`;
    if (seen.url.startsWith("/a")) response.writeHead(302, { location }).end();
    else response.end("ok");
  });
  const { url } = await send({ url: `${api.origin}/a` });
  t.is(url, `${api.origin}/b?x=1`);
  t.is(api.seen[1]?.url, `/b?x=1&api_key=${ENCODED}`);
});

test("headers of the answer that repeat the query do not show the token", async (t) => {
  const { api, send } = await inQuery(t, (seen, response) => {
    const here = `https://other.test${seen.url}`;
    response.writeHead(302, {
      location: `${here}&api_key=signed#end`,
      link: `<${here}&page=2>; rel=next, <https://other.test/?page=1&api_key=${TOKEN.replace("&", "%26")}>; rel=prev`,
      "content-location": "/a?b=1",
    });
    response.end();
  });
  const { headers } = await send({ url: `${api.origin}/a` });
  t.deepEqual(
    [headers.location, headers.link, headers["content-location"]],
    [
      "https://other.test/a?api_key=signed#end",
      "<https://other.test/a?page=2>; rel=next, <https://other.test/?page=1>; rel=prev",
      "/a?b=1",
    ],
  );
  t.false(JSON.stringify(headers).includes(ENCODED));
});

test("no error shows it", async (t) => {
  const { send, api } = await inQuery(t, (_, response) => void response.destroy());
  const error = await requestRefused(t, send({ url: `${api.origin}/a?b` }), "request_failed");
  t.false(JSON.stringify([error, error.message, String(error.stack)]).includes(ENCODED));
});

test("after a refresh the newer token is in the query", async (t) => {
  const { api, owner, send } = await inQuery(t, (seen, response) => {
    response.writeHead(seen.url.endsWith("=second") ? 200 : 401).end();
  });
  owner.renew = async () => "second";
  t.true((await send()).refreshed);
  t.deepEqual(
    api.seen.map(({ url }) => url),
    [`/?api_key=${ENCODED}`, "/?api_key=second"],
  );
});

test("a cookie joins the caller's, whose cookie of that name is dropped", async (t) => {
  const placement = { cookie: { session: "{token}" } };
  const { api, owner, send } = await startRequests(t, ok, { placement });
  owner.headers = { cookie: "session=ours" };
  const cookies: [given: string | undefined, sent: string][] = [
    [undefined, "session=ours"],
    ["a=b; session=theirs;c=d=e", "a=b; c=d=e; session=ours"],
    ["session=theirs", "session=ours"],
  ];
  for (const [cookie] of cookies) await send({ headers: cookie === undefined ? {} : { cookie } });
  t.deepEqual(
    api.seen.map(({ headers }) => headers.cookie),
    cookies.map(([, sent]) => sent),
  );
});

/** A credential whose token is `token` in the body. */
async function inBody(t: Parameters<typeof startRequests>[0], handler: Handler = ok) {
  const setup = await startRequests(t, handler, { placement: { body: { token: "{token}" } } });
  setup.owner.current = TOKEN;
  setup.owner.sent = (token) => ({ body: { token } });
  return setup;
}

test("the token is merged into a form or a JSON object", async (t) => {
  const { api, send } = await inBody(t);
  const json = JSON.stringify(TOKEN);
  const bodies: [type: string | undefined, given: string | undefined, sent: string][] = [
    [FORM, "a=b&token=theirs&c=%20", `a=b&c=%20&token=${ENCODED}`],
    [`${FORM}; charset=utf-8`, "", `token=${ENCODED}`],
    [
      "application/json",
      ' {"id": 12345678901234567890}',
      `{"token":${json},"id": 12345678901234567890}`,
    ],
    ["application/vnd.api+json", "{ }", `{"token":${json} }`],
    ["application/json", undefined, `{"token":${json}}`],
    [undefined, undefined, `token=${ENCODED}`],
  ];
  for (const [type, body] of bodies) {
    const headers = type === undefined ? {} : { "content-type": type };
    await send({ method: "POST", headers, ...(body !== undefined && { body }) });
  }
  await send({
    method: "PUT",
    headers: { "content-type": FORM },
    bodyBase64: Buffer.from("é=1").toString("base64"),
  });
  t.deepEqual(
    api.seen.map(({ body }) => body.toString()),
    [...bodies.map(([, , sent]) => sent), `é=1&token=${ENCODED}`],
  );
  t.is(api.seen[5]?.headers["content-type"], FORM);
});

const misfits: [
  what: string,
  params: Parameters<Awaited<ReturnType<typeof inBody>>["send"]>[0],
  says: RegExp,
][] = [
  ["a GET", {}, /GET has none: use POST/],
  [
    "text",
    { method: "POST", headers: { "content-type": "text/plain" }, body: "a" },
    /content-type/,
  ],
  ["a body without a type", { method: "POST", body: "a=b" }, /content-type/],
  [
    "a list",
    { method: "POST", headers: { "content-type": "application/json" }, body: "[]" },
    /JSON object/,
  ],
  [
    "broken JSON",
    { method: "POST", headers: { "content-type": "application/json" }, body: "{" },
    /JSON object/,
  ],
  [
    "a member of that name",
    { method: "POST", headers: { "content-type": "application/json" }, body: '{"token":1}' },
    /leave the member "token" out/,
  ],
];

for (const [what, params, says] of misfits) {
  test(`the body has no place for the token: ${what}`, async (t) => {
    const { api, owner, send } = await inBody(t);
    owner.token = () => t.fail() as never;
    t.regex((await requestRefused(t, send(params), "invalid_params")).message, says);
    t.is(api.seen.length, 0);
  });
}

test("a redirect that keeps the body keeps the token in it, and one to a GET carries none", async (t) => {
  const { api, send } = await inBody(t, (seen, response) => {
    if (seen.url === "/307") response.writeHead(307, { location: "/303" }).end();
    else if (seen.url === "/303") response.writeHead(303, { location: "/end" }).end();
    else response.end();
  });
  await send({ method: "POST", url: `${api.origin}/307` });
  t.deepEqual(
    api.seen.map(({ method, body }) => `${method} ${body}`),
    [`POST token=${ENCODED}`, `POST token=${ENCODED}`, "GET "],
  );
});
