import { brotliCompressSync, gzipSync } from "node:zlib";
import test from "ava";
import type { AnswerCondition } from "../../src/grants/answer-condition.ts";
import type { Handler } from "../helpers/api.ts";
import { requestRefused, startRequests } from "../helpers/request-owner.ts";

type Answer = [status: number, headers: Record<string, string>, body: string | Buffer];

const JSON_TYPE = { "content-type": "application/json" };
const EXPIRED: AnswerCondition[] = [{ body: { "/code": 401 } }];

/** Gives `answer` to the first token, and "ok" to any other. */
const refusing =
  ([status, headers, body]: Answer): Handler =>
  (seen, response) => {
    if (seen.headers.authorization === "Bearer first")
      response.writeHead(status, headers).end(body);
    else response.end("ok");
  };

const renewing: [what: string, answer: Answer, renewOn?: AnswerCondition[]][] = [
  ["a status", [403, {}, "no"], [{ status: 419 }, { status: 403 }]],
  ["a code in a 200", [200, JSON_TYPE, '{"code":401}'], EXPIRED],
  ["a code that is a string", [200, JSON_TYPE, '{"code":"401"}'], EXPIRED],
  ["JSON that says it is a page", [200, { "content-type": "text/html" }, '{"code":401}'], EXPIRED],
  ["JSON without a type", [200, {}, '{"code":401}'], EXPIRED],
  [
    "a problem of RFC 9457",
    [400, { "content-type": "application/problem+json" }, '{"code":401}'],
    EXPIRED,
  ],
  ["gzip", [200, { ...JSON_TYPE, "content-encoding": "gzip" }, gzipSync('{"code":401}')], EXPIRED],
  [
    "a whole text",
    [498, {}, "Token expired\n"],
    [{ status: 498, body: { text: "Token expired" } }],
  ],
  ["a header", [200, { "x-error": "Expired" }, ""], [{ header: { "x-error": "expired" } }]],
  [
    "a redirect to the sign-in",
    [302, { location: "/login" }, ""],
    [{ status: 302, header: { location: "/login" } }],
  ],
  [
    "all members",
    [400, { "x-a": "b", ...JSON_TYPE }, '{"e":{"id":"x"}}'],
    [{ status: 400, header: { "x-a": "b" }, body: { "/e/id": "x" } }],
  ],
  [
    "a challenge with a 403",
    [403, { "www-authenticate": 'Bearer realm="a, b", error="invalid_token"' }, ""],
  ],
  [
    "a challenge with a 200",
    [200, { "www-authenticate": "Basic realm=x, bearer error=invalid_token" }, ""],
  ],
];

for (const [what, answer, renewOn] of renewing) {
  test(`renews the token on ${what}`, async (t) => {
    const { api, owner, send } = await startRequests(t, refusing(answer), {
      ...(renewOn && { renewOn }),
    });
    owner.renew = async () => "second";
    const { body, refreshed } = await send({ method: "POST", body: "content" });
    t.is(body, "ok");
    t.true(refreshed);
    t.deepEqual(
      api.seen.map((seen) => seen.body.toString()),
      ["content", "content"],
    );
    t.is(owner.log.at(-1), "second accepted by 127.0.0.1");
    t.is(owner.log.length, 2);
  });
}

const LONG = `{"code":401,"more":"${"x".repeat(64 * 1024)}"}`;

const passed: [what: string, answer: Answer, renewOn?: AnswerCondition[]][] = [
  ["another status", [404, {}, "no"], [{ status: 403 }]],
  ["another code", [200, JSON_TYPE, '{"code":0}'], EXPIRED],
  ["no such member", [200, JSON_TYPE, '{"data":{"code":401}}'], EXPIRED],
  ["an object where a value is asked for", [200, JSON_TYPE, '{"code":{"a":401}}'], EXPIRED],
  ["broken JSON", [200, JSON_TYPE, '{"code":401'], EXPIRED],
  ["an empty body", [200, JSON_TYPE, ""], EXPIRED],
  ["204", [204, {}, ""], EXPIRED],
  [
    "one member of two",
    [200, { "x-a": "b", ...JSON_TYPE }, '{"code":401}'],
    [{ body: { "/code": 401 }, header: { "x-a": "c" } }],
  ],
  ["a body beyond 64 KiB", [200, JSON_TYPE, LONG], EXPIRED],
  [
    "one beyond 64 KiB without its length",
    [200, { ...JSON_TYPE, "transfer-encoding": "chunked" }, LONG],
    EXPIRED,
  ],
  [
    "one that is longer decoded",
    [200, { ...JSON_TYPE, "content-encoding": "br" }, brotliCompressSync(LONG)],
    EXPIRED,
  ],
  ["an image", [200, { "content-type": "image/png" }, '{"code":401}'], EXPIRED],
  [
    "another error of the challenge",
    [
      403,
      {
        "www-authenticate":
          'Bearer error="invalid_request", error_description="error=invalid_token"',
      },
      "",
    ],
  ],
  ["another scheme's challenge", [403, { "www-authenticate": 'Digest error="invalid_token"' }, ""]],
];

for (const [what, answer, renewOn] of passed) {
  test(`passes on ${what}, as it came`, async (t) => {
    const { owner, send } = await startRequests(t, refusing(answer), {
      ...(renewOn && { renewOn }),
    });
    owner.renew = () => t.fail() as never;
    const { status, headers, body, refreshed } = await send();
    t.is(status, answer[0]);
    t.is(
      body,
      headers["content-encoding"] || answer[1]["content-encoding"] ? LONG : String(answer[2]),
    );
    t.false(refreshed);
  });
}

test("a second answer of that kind is the caller's, and does not count as accepted", async (t) => {
  const { api, owner, send } = await startRequests(
    t,
    (_, response) => void response.writeHead(200, JSON_TYPE).end('{"code":401}'),
    { renewOn: EXPIRED },
  );
  owner.renew = async () => "second";
  const { status, body, refreshed } = await send();
  t.deepEqual([status, body, refreshed], [200, '{"code":401}', true]);
  t.is(api.seen.length, 2);
  t.deepEqual(owner.log, ["first refused by 127.0.0.1: undefined"]);
});

test("a streamed answer is looked at before its head is passed on", async (t) => {
  const { owner, send } = await startRequests(t, refusing([200, JSON_TYPE, '{"code":401}']), {
    renewOn: EXPIRED,
  });
  owner.renew = async () => "second";
  const got: string[] = [];
  const stream = {
    sent: { bytes: 0, chunks: 0 },
    head: async ({ status }: { status: number }) => void got.push(`head ${status}`),
    chunk: async (data: Buffer) => void got.push(data.toString()),
  };
  await send({}, { stream });
  t.deepEqual(got, ["head 200", "ok"]);
});

test("events without an end are passed on at once", async (t) => {
  const { send } = await startRequests(
    t,
    (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    },
    { renewOn: EXPIRED },
  );
  const stop = new AbortController();
  const stream = {
    sent: { bytes: 0, chunks: 0 },
    head: async () => {},
    chunk: async (data: Buffer) => {
      t.is(data.toString(), "data: 1\n\n");
      stop.abort();
    },
  };
  await t.throwsAsync(send({}, { stream, signal: stop.signal }), { message: /taken back/ });
  t.plan(2);
});

test("an answer that breaks while it is looked at is request_failed", async (t) => {
  const { send } = await startRequests(
    t,
    (_, response) => {
      response.writeHead(200, { ...JSON_TYPE, "content-length": "99" }).write('{"code":');
      setImmediate(() => response.destroy());
    },
    { renewOn: EXPIRED },
  );
  await requestRefused(t, send(), "request_failed");
});
