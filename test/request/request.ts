import type { ServerResponse } from "node:http";
import { setImmediate as immediate, setTimeout as pause } from "node:timers/promises";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { createHttp } from "../../src/http/http.ts";
import { authorizedRequest } from "../../src/request/request.ts";
import { MAX_RESPONSE_BYTES } from "../../src/request/request-error.ts";
import { allClosed, type Handler, startApi } from "../helpers/api.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { Owner, type Params, requestRefused, startRequests } from "../helpers/request-owner.ts";
import { until } from "../helpers/until.ts";

const ok: Handler = (_, response) => void response.end("ok");

test("sends a GET with the credential's headers, and brings the answer", async (t) => {
  const { api, owner, send } = await startRequests(t, (_, response) => {
    response.writeHead(
      404,
      "Nothing Here",
      [
        ["Content-Type", "text/plain"],
        ["Set-Cookie", "a=1"],
        ["X-Twice", "a"],
        ["X-Twice", "b"],
        ["Retry-After", "7"],
      ].flat(),
    );
    response.end("né\n");
  });
  const answer = await send({ url: `${api.origin}/path?a=b#part` });
  const { headers, ...rest } = answer;
  t.deepEqual(rest, {
    status: 404,
    statusText: "Nothing Here",
    url: `${api.origin}/path?a=b`,
    body: "né\n",
    refreshed: false,
  });
  t.is(headers["content-type"], "text/plain");
  t.deepEqual(headers["set-cookie"], ["a=1"]);
  t.is(headers["x-twice"], "a, b");
  t.is(headers["retry-after"], "7");
  const [seen] = api.seen;
  t.is(seen?.method, "GET");
  t.is(seen?.url, "/path?a=b");
  t.is(seen?.headers.authorization, "Bearer first");
  t.is(seen?.headers["x-api-key"], "key");
  t.is(seen?.headers["accept-encoding"], "gzip, deflate, br");
  t.is(seen?.headers.host, `127.0.0.1:${api.port}`);
  t.deepEqual(owner.log, ["first accepted by 127.0.0.1"]);
});

test("the credential's headers win over the caller's, whatever their case", async (t) => {
  const { api, owner, send } = await startRequests(t, ok);
  const headers = {
    Authorization: "Bearer theirs",
    "X-API-Key": "theirs",
    "X-Mine": "höher",
    "Accept-Encoding": "identity",
    "USER-agent": "own",
  };
  await send({ headers });
  const seen = api.seen[0]!.headers;
  t.is(seen.authorization, "Bearer first");
  t.is(seen["x-api-key"], "key");
  t.is(seen["x-mine"], "höher");
  t.is(seen["accept-encoding"], "identity");
  t.is(seen["user-agent"], "own");
  // Ours even if this API wants none.
  owner.token = () => ({
    accessToken: "x",
    answer: { accessToken: "x", tokenType: "Bearer", expiresAt: null, headers: { "x-token": "x" } },
  });
  await send({ headers });
  t.is(api.seen[1]!.headers.authorization, undefined);
  t.is(api.seen[1]!.headers["x-token"], "x");
});

test("bodies go as text or as bytes, with any method that may have one", async (t) => {
  const { api, send } = await startRequests(t, (seen, response) => void response.end(seen.body));
  const bytes = Buffer.from([0, 255, 128, 10]);
  t.is((await send({ method: "POST", body: "häuser" })).body, "häuser");
  t.is((await send({ method: "put", body: "" })).body, "");
  t.is(
    (await send({ method: "PATCH", bodyBase64: bytes.toString("base64") })).bodyBase64,
    bytes.toString("base64"),
  );
  t.is((await send({ method: "DELETE", bodyBase64: "YQ" })).body, "a");
  t.is((await send({ method: "GET", body: "query" })).body, "query");
  t.is((await send({ method: "PURGE" })).body, "");
  t.deepEqual(
    api.seen.map(({ method }) => method),
    ["POST", "PUT", "PATCH", "DELETE", "GET", "PURGE"],
  );
  t.is(api.seen[1]!.headers["content-length"], "0");
});

test("a text comes as body, anything else as bodyBase64, an empty one as an empty body", async (t) => {
  const bodies = [
    "",
    "plain",
    "\ufeffmark \0 \u{1f600}",
    Buffer.from([0xc3]),
    Buffer.alloc(9, 0xff),
  ];
  let next = 0;
  const { send } = await startRequests(t, (_, response) => void response.end(bodies[next++]));
  for (const sent of bodies) {
    const { body, bodyBase64 } = await send();
    if (typeof sent === "string") t.is(body, sent);
    else t.is(bodyBase64, sent.toString("base64"));
    t.is([body, bodyBase64].filter((one) => one !== undefined).length, 1);
  }
});

const badParams: [what: string, params: Partial<Params>, says: RegExp][] = [
  ["TRACE", { method: "TRACE" }, /TRACE/],
  ["connect in lower case", { method: "connect" }, /CONNECT/],
  ["a method with a space", { method: "GET /" }, /method/],
  ["an empty method", { method: "" }, /method/],
  ["a Host", { headers: { Host: "other.test" } }, /host/],
  ["a Content-Length", { headers: { "Content-Length": "5" } }, /content-length/],
  ["a hop-by-hop header", { headers: { Connection: "close" } }, /connection/],
  ["Transfer-Encoding", { headers: { "transfer-encoding": "chunked" } }, /transfer-encoding/],
  ["Keep-Alive", { headers: { "Keep-Alive": "timeout=9" } }, /keep-alive/],
  ["TE", { headers: { te: "trailers" } }, /te can't/],
  ["Upgrade", { headers: { upgrade: "h2c" } }, /upgrade/],
  ["Proxy-Authorization", { headers: { "Proxy-Authorization": "x" } }, /proxy-authorization/],
  ["another proxy- name", { headers: { "PROXY-x": "x" } }, /proxy-x/],
  ["Proxy-Authorization of a CGI program", { headers: { Proxy_Authorization: "x" } }, /proxy_auth/],
  ["a CGI program's Content-Length", { headers: { content_length: "5" } }, /content_length/],
  ["the credential's key as CGI has it", { headers: { X_API_KEY: "x" } }, /x_api_key .*x-api-key/],
  ["the same with dots", { headers: { "x.api.key": "x" } }, /x\.api\.key .*x-api-key/],
  ["a line break in a value", { headers: { "x-a": "b\r\nx-c: d" } }, /x-a/],
  ["a bare LF in a value", { headers: { "x-a": "b\nc" } }, /x-a/],
  ["NUL in a value", { headers: { "x-a": "b\0" } }, /x-a/],
  ["a value beyond Latin-1", { headers: { "x-a": "€" } }, /x-a/],
  ["a line break in a name", { headers: { "x-a\r\n": "b" } }, /header name/],
  ["an empty name", { headers: { "": "b" } }, /header name/],
  ["a header twice", { headers: { "x-a": "b", "X-A": "c" } }, /x-a .*twice/],
  ["two bodies", { method: "POST", body: "a", bodyBase64: "YQ==" }, /not both/],
  ["base64 with a foreign character", { method: "POST", bodyBase64: "YQ-_" }, /bodyBase64/],
  ["base64 of a wrong length", { method: "POST", bodyBase64: "YWJjZ" }, /bodyBase64/],
  ["base64 padded wrongly", { method: "POST", bodyBase64: "YWJj=" }, /bodyBase64/],
  ["base64 with a line break", { method: "POST", bodyBase64: "YWJj\nYWJj" }, /bodyBase64/],
];

for (const [what, params, says] of badParams) {
  test(`invalid_params, and nothing is sent: ${what}`, async (t) => {
    const { api, send } = await startRequests(t, ok);
    const error = await requestRefused(t, send(params), "invalid_params");
    t.regex(error.message, says);
    t.is(api.seen.length, 0);
  });
}

test("a body beyond the limit is request_too_large", async (t) => {
  const { api, send } = await startRequests(t, ok);
  const body = "x".repeat(6 * 1024 * 1024 + 1);
  await requestRefused(t, send({ method: "POST", body }), "request_too_large");
  t.is((await send({ method: "POST", body: body.slice(1) })).status, 200);
  t.is(api.seen.length, 1);
});

test("another origin gets nothing, not even a question for a token", async (t) => {
  const { http, owner } = await startRequests(t, ok);
  const other = await startApi(t, ok);
  owner.token = () => t.fail() as never;
  const params = { credential: "mine", url: `${other.origin}/?key=sesame` };
  const { signal } = new AbortController();
  const error = await requestRefused(
    t,
    authorizedRequest(owner, http, params, { signal }),
    "origin_not_allowed",
  );
  t.notRegex(error.message, /sesame/);
  t.is(other.connections, 0);
});

test("a redirect to another origin is itself the answer", async (t) => {
  const other = await startApi(t, ok);
  for (const location of [
    `${other.origin}/x`,
    other.origin.replace("http:", ""),
    "http://user:pw@127.0.0.1/",
    "file:///etc/passwd",
    "http://[",
  ]) {
    const { api, send } = await startRequests(t, (_, response) => {
      response.writeHead(302, { location }).end("over there");
    });
    const answer = await send({ url: `${api.origin}/start` });
    t.is(answer.status, 302);
    t.is(answer.headers.location, location);
    t.is(answer.body, "over there");
    t.is(answer.url, `${api.origin}/start`);
  }
  t.is(other.connections, 0);
});

test("a redirect with a user name in it is itself the answer, even to an allowed origin", async (t) => {
  const { api, send } = await startRequests(t, (_, response) => {
    response.writeHead(302, { location: `http://a:b@127.0.0.1:${api.port}/x` }).end();
  });
  t.is((await send()).status, 302);
  t.is(api.seen.length, 1);
});

test("origins that are added while a request is under way do not count for it", async (t) => {
  const elsewhere = await startApi(t, ok);
  const { api, owner, send } = await startRequests(t, (_, response) => {
    const origins = [api.origin, elsewhere.origin];
    Object.assign(owner, { settings: { ...owner.settings, origins } });
    response.writeHead(302, { location: `${elsewhere.origin}/` }).end();
  });
  t.is((await send()).status, 302);
  t.deepEqual(elsewhere.seen, []);
});

test("redirects between the credential's origins are followed, with its headers and the caller's", async (t) => {
  const second = await startApi(t, ok);
  const { api, owner, send } = await startRequests(t, (seen, response) => {
    const location = seen.url === "/a/b" ? "../c?d=e" : `${second.origin}/end#part`;
    response.writeHead(301, { location }).end("moved");
  });
  (owner.settings.origins as string[]).push(second.origin);
  const answer = await send({ url: `${api.origin}/a/b`, headers: { "x-mine": "yes" } });
  t.is(answer.status, 200);
  t.is(answer.url, `${second.origin}/end`);
  t.deepEqual(
    api.seen.map(({ url }) => url),
    ["/a/b", "/c?d=e"],
  );
  const [last] = second.seen;
  t.is(last?.headers.authorization, "Bearer first");
  t.is(last?.headers["x-api-key"], "key");
  t.is(last?.headers["x-mine"], "yes");
  // A redirect says nothing of whether the token was looked at.
  t.is(owner.log.length, 1);
});

const rewrites: [status: number, before: string, after: string][] = [
  [301, "POST", "GET"],
  [302, "POST", "GET"],
  [303, "POST", "GET"],
  [303, "PUT", "GET"],
  [303, "HEAD", "HEAD"],
  [301, "PUT", "PUT"],
  [302, "DELETE", "DELETE"],
  [307, "POST", "POST"],
  [308, "PATCH", "PATCH"],
];

for (const [status, before, after] of rewrites) {
  test(`${status} on ${before} becomes ${after}`, async (t) => {
    const { api, send } = await startRequests(t, (seen, response) => {
      if (seen.url === "/") response.writeHead(status, { location: "/next" }).end();
      else response.end();
    });
    const withBody = before === "HEAD" ? {} : { body: "content" };
    await send({ method: before, headers: { "Content-Type": "text/x" }, ...withBody });
    const [, next] = api.seen;
    t.is(next?.method, after);
    t.is(next?.body.toString(), before === after && before !== "HEAD" ? "content" : "");
    t.is(next?.headers["content-type"], before === after ? "text/x" : undefined);
    t.is(next?.headers.authorization, "Bearer first");
  });
}

test("ten redirects are followed, an eleventh is not", async (t) => {
  const { api, send } = await startRequests(t, (seen, response) => {
    const left = Number(seen.url.slice(1));
    if (left === 0) response.end("there");
    else response.writeHead(302, { location: `/${left - 1}` }).end();
  });
  t.is((await send({ url: `${api.origin}/10` })).body, "there");
  t.is(api.seen.length, 11);
  const error = await requestRefused(t, send({ url: `${api.origin}/11` }), "request_failed");
  t.regex(error.message, /redirects more than 10 times/);
  t.is(api.seen.length, 22);
});

test("after a 401 the token is renewed and the request repeated once", async (t) => {
  const { api, owner, send } = await startRequests(t, (seen, response) => {
    if (seen.headers.authorization === "Bearer second") return response.end(seen.body);
    return response
      .writeHead(401, { "www-authenticate": 'Bearer error="invalid_token"' })
      .end("no");
  });
  owner.renew = async () => "second";
  const answer = await send({ method: "POST", body: "content" });
  t.is(answer.status, 200);
  t.is(answer.body, "content");
  t.true(answer.refreshed);
  t.is(api.seen.length, 2);
  t.deepEqual(owner.log, [
    'first refused by 127.0.0.1: Bearer error="invalid_token"',
    "second accepted by 127.0.0.1",
  ]);
});

test("a second 401 is the answer", async (t) => {
  const { api, owner, send } = await startRequests(t, (seen, response) => {
    response.statusCode = 401;
    response.end(`no, ${seen.headers.authorization}`);
  });
  owner.renew = async () => "second";
  const answer = await send();
  t.is(answer.status, 401);
  t.is(answer.body, "no, Bearer second");
  t.true(answer.refreshed);
  t.is(api.seen.length, 2);
  t.deepEqual(owner.log, ["first refused by 127.0.0.1: undefined"]);
});

test("the first 401 is the answer if the renewal fails", async (t) => {
  const { api, send } = await startRequests(t, (_, response) => {
    response.statusCode = 401;
    response.end("no");
  });
  const answer = await send();
  t.is(answer.status, 401);
  t.is(answer.body, "no");
  t.false(answer.refreshed);
  t.is(api.seen.length, 1);
});

test("a 401 after a redirect repeats the request that got it", async (t) => {
  const { api, owner, send } = await startRequests(t, (seen, response) => {
    if (seen.url === "/") response.writeHead(307, { location: "/next" }).end();
    else response.writeHead(seen.headers.authorization === "Bearer second" ? 200 : 401).end();
  });
  owner.renew = async () => "second";
  t.is((await send({ method: "POST", body: "content" })).status, 200);
  t.deepEqual(
    api.seen.map(({ method, url, body }) => `${method} ${url} ${body}`),
    ["POST / content", "POST /next content", "POST /next content"],
  );
});

test("a 401 whose body never ends holds nothing up", async (t) => {
  const { api, owner, send } = await startRequests(t, (seen, response) => {
    if (seen.headers.authorization === "Bearer second") return void response.end("ok");
    return void response.writeHead(401).write("x".repeat(200_000));
  });
  owner.renew = async () => "second";
  t.is((await send()).body, "ok");
  await until(() => api.sockets.size <= 1);
  t.pass();
});

for (const [status, taken] of [
  [204, true],
  [404, true],
  [403, false],
  [429, false],
  [500, false],
  [304, true],
  [300, false],
] as const) {
  test(`status ${status} ${taken ? "shows" : "does not show"} that the token was taken`, async (t) => {
    const { owner, send } = await startRequests(
      t,
      (_, response) => void response.writeHead(status).end(),
    );
    t.is((await send()).status, status);
    t.is(owner.log.length, taken ? 1 : 0);
  });
}

const plain = Buffer.from("compressed ".repeat(10_000));
const codings: [name: string, bytes: Buffer][] = [
  ["gzip", gzipSync(plain)],
  ["X-GZip", gzipSync(plain)],
  ["deflate", deflateSync(plain)],
  ["deflate", deflateRawSync(plain)],
  ["br", brotliCompressSync(plain)],
  ["gzip, br", brotliCompressSync(gzipSync(plain))],
  ["identity", plain],
];

for (const [name, bytes] of codings) {
  test(`an answer in ${name} (${bytes.length} bytes) is decoded`, async (t) => {
    const { send } = await startRequests(t, (_, response) => {
      response.setHeader("content-encoding", name);
      response.setHeader("content-length", bytes.length);
      response.write(bytes.subarray(0, 1));
      response.end(bytes.subarray(1));
    });
    const { body, headers } = await send();
    t.is(body, plain.toString());
    if (name === "identity") return;
    t.is(headers["content-encoding"], undefined);
    t.is(headers["content-length"], undefined);
  });
}

test("an unknown coding is passed on as it came", async (t) => {
  const { send } = await startRequests(t, (_, response) => {
    response.setHeader("content-encoding", "zstd, gzip");
    response.end("as it is");
  });
  const { body, headers } = await send();
  t.is(body, "as it is");
  t.is(headers["content-encoding"], "zstd, gzip");
});

test("more headers than servers take are invalid_params, and nothing is sent", async (t) => {
  const { api, send } = await startRequests(t, (_, response) => void response.end());
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, ""]));
  t.is((await send({ headers: many(256) })).status, 200);
  const sent = api.seen.length;
  for (const headers of [many(257), { "x-long": "x".repeat(65_536) }]) {
    const error = await requestRefused(t, send({ headers }), "invalid_params");
    t.regex(error.message, /at most 256 headers and 64 KiB/);
  }
  t.is(api.seen.length, sent);
});

test("more than five codings are request_failed, and so is a bomb inside of one", async (t) => {
  const zipped = (count: number) => {
    let bytes = Buffer.from("text");
    for (let i = 0; i < count; i++) bytes = gzipSync(bytes);
    return [Array(count).fill("gzip").join(", "), bytes] as const;
  };
  // What the outer coding unpacks to is gzip's members of nothing, one after the other.
  const nothing = Buffer.alloc(128 * 2 ** 20, gzipSync(""));
  const cases: [string, Buffer, RegExp | undefined][] = [
    [...zipped(5), undefined],
    [...zipped(6), /in 6 content codings on top of each other; authd undoes 5 at most/],
    ["br, ".repeat(3_000), Buffer.from("text"), /in 3000 content codings/],
    ["gzip, br", brotliCompressSync(nothing), /inner compression grows without end/],
  ];
  for (const [coding, bytes, refused] of cases) {
    const { send } = await startRequests(t, (_, response) => {
      response.setHeader("content-encoding", coding);
      response.on("error", () => {}).end(bytes);
    });
    if (refused) t.regex((await requestRefused(t, send(), "request_failed")).message, refused);
    else t.is((await send()).body, "text");
  }
});

test("an answer without a body may still name its coding", async (t) => {
  const { send } = await startRequests(t, (seen, response) => {
    response.setHeader("content-encoding", "gzip");
    if (seen.method === "HEAD") response.setHeader("content-length", "50000000");
    response.end();
  });
  t.is((await send()).body, "");
  const { body, headers } = await send({ method: "HEAD" });
  t.is(body, "");
  t.is(headers["content-encoding"], "gzip");
  t.is(headers["content-length"], "50000000");
});

test("a broken or cut off compression is request_failed", async (t) => {
  for (const bytes of [gzipSync(plain).subarray(0, 100), Buffer.from("no gzip")]) {
    const { send } = await startRequests(t, (_, response) => {
      response.setHeader("content-encoding", "gzip");
      response.end(bytes);
    });
    const error = await requestRefused(t, send(), "request_failed");
    t.regex(error.message, /compression \(gzip\) is broken/);
  }
});

test("an answer over maxResponseBytes is response_too_large, and its connection is closed", async (t) => {
  const endless = (response: ServerResponse) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on("drain", more);
    more();
  };
  const { api, send } = await startRequests(t, (seen, response) => {
    if (seen.url === "/told") response.writeHead(200, { "content-length": 1001 }).write("x");
    else if (seen.url === "/exact") response.end("x".repeat(1000));
    else endless(response);
  });
  t.is((await send({ url: `${api.origin}/exact`, maxResponseBytes: 1000 })).body?.length, 1000);
  for (const path of ["told", "endless"]) {
    const error = await requestRefused(
      t,
      send({ url: `${api.origin}/${path}`, maxResponseBytes: 1000 }),
      "response_too_large",
    );
    t.regex(error.message, /1000 bytes.*maxResponseBytes/);
  }
  const capped = await requestRefused(
    t,
    send({ url: `${api.origin}/endless`, maxResponseBytes: 2 ** 40 }),
    "response_too_large",
  );
  t.true(capped.message.includes(`${MAX_RESPONSE_BYTES} bytes`));
  await requestRefused(t, send({ url: `${api.origin}/endless` }), "response_too_large");
});

test("a compressed bomb is response_too_large", async (t) => {
  const once = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  for (const [encoding, bytes] of [
    ["gzip", once],
    ["gzip, gzip", gzipSync(once)],
  ] as const) {
    const { send } = await startRequests(t, (_, response) => {
      response.setHeader("content-encoding", encoding);
      response.end(bytes);
    });
    const before = process.memoryUsage().rss;
    await requestRefused(t, send(), "response_too_large");
    t.true(process.memoryUsage().rss - before < 200 * 1024 * 1024);
  }
});

test("timeoutMs covers the wait for the head and for the body's end", async (t) => {
  const { api, send } = await startRequests(t, (seen, response) => {
    if (seen.url === "/") response.end();
    else if (seen.url.startsWith("/body")) response.write("some");
  });
  for (const path of ["head", "body"]) {
    // Over a connection that is there already, so that a busy machine can't time out before it is.
    await send();
    await immediate();
    const error = await requestRefused(
      t,
      send({ url: `${api.origin}/${path}?key=sesame`, timeoutMs: 200 }),
      "timeout",
    );
    t.regex(error.message, /127\.0\.0\.1:\d+ did not answer completely within 200 ms/);
    t.notRegex(error.message, /sesame/);
  }
  await allClosed(api);
});

test("what is left of timeoutMs goes to the token and to the renewal", async (t) => {
  const { owner, send } = await startRequests(
    t,
    (_, response) => void response.writeHead(401).end(),
  );
  const wants: number[] = [];
  const real = owner.token.bind(owner);
  owner.token = ((want: { timeoutMs: number }) => {
    wants.push(want.timeoutMs);
    return pause(30).then(real);
  }) as never;
  owner.refreshAfter401 = async (_origin, _issued, _challenge, want?: { timeoutMs?: number }) => {
    wants.push(want?.timeoutMs ?? 0);
    return undefined;
  };
  await send({ timeoutMs: 10_000 });
  t.true(wants[0]! <= 10_000);
  t.true(wants[1]! < wants[0]! && wants[1]! > 0);
});

test("a token that can't be had is the caller's error", async (t) => {
  const { api, owner, send } = await startRequests(t, ok);
  owner.token = () => {
    throw new AuthdError("login_required", "mine: log in", { credential: "mine" });
  };
  await requestRefused(t, send(), "login_required");
  t.is(api.connections, 0);
});

test("cancelling closes the connection to the API", async (t) => {
  for (const path of ["/head", "/body"]) {
    const { api, send } = await startRequests(t, (seen, response) => {
      if (seen.url === "/body") response.write("some");
      setTimeout(() => cancel.abort(), 20);
    });
    const cancel = new AbortController();
    await requestRefused(
      t,
      send({ url: api.origin + path }, { signal: cancel.signal }),
      "cancelled",
    );
    await allClosed(api);
  }
});

test("a signal's own AuthdError is what the caller gets", async (t) => {
  const { send } = await startRequests(t, () =>
    cancel.abort(new AuthdError("shutting_down", "mine: bye", { credential: "mine" })),
  );
  const cancel = new AbortController();
  await requestRefused(t, send({}, { signal: cancel.signal }), "shutting_down");
});

test("a connection that breaks is request_failed; whether a POST took effect is said to be unknown", async (t) => {
  const { api, send } = await startRequests(t, (_, response) => void response.socket!.destroy());
  const url = `${api.origin}/path?key=sesame`;
  const got = await requestRefused(t, send({ url }), "request_failed");
  t.notRegex(got.message, /not known|sesame|path/);
  const posted = await requestRefused(
    t,
    send({ url, method: "POST", body: "x" }),
    "request_failed",
  );
  t.regex(posted.message, /127\.0\.0\.1:\d+ .*not known/);
  t.is(posted.cause, undefined);
});

test("a server that is not there is request_failed, with its host and the cause's code", async (t) => {
  const { http } = await startRequests(t, ok);
  const owner = new Owner(["http://127.0.0.1:1"]);
  const params = { credential: "mine", url: "http://127.0.0.1:1/?key=sesame", method: "POST" };
  const { signal } = new AbortController();
  const promise = authorizedRequest(owner, http, params, { signal });
  const error = await requestRefused(t, promise, "request_failed");
  t.regex(error.message, /127\.0\.0\.1:1.*ECONNREFUSED/);
  t.notRegex(error.message, /sesame|not known/);
});

test("the credential's ca_file is trusted, another authority is request_failed", async (t) => {
  const authority = createAuthority();
  const api = await startApi(t, ok, authority.issue("127.0.0.1"));
  const http = createHttp();
  t.teardown(() => http.close());
  const { signal } = new AbortController();
  const params = { credential: "mine", url: api.origin };
  const trusting = new Owner([api.origin], { ca: authority.ca });
  t.is((await authorizedRequest(trusting, http, params, { signal })).body, "ok");
  const error = await requestRefused(
    t,
    authorizedRequest(new Owner([api.origin]), http, params, { signal }),
    "request_failed",
  );
  t.regex(error.message, /ca_file/);
});

/** What a streamed answer came to. */
class Sink {
  readonly sent = { bytes: 0, chunks: 0 };
  heads: unknown[] = [];
  chunks: Buffer[] = [];
  onChunk: (chunk: Buffer) => Promise<void> = async () => {};

  async head(head: unknown) {
    this.heads.push(head);
  }

  async chunk(data: Buffer) {
    this.chunks.push(data);
    this.sent.bytes += data.length;
    this.sent.chunks++;
    await this.onChunk(data);
  }
}

test("a streamed answer comes as its head, its chunks, and a result without a body", async (t) => {
  const { api, owner, send } = await startRequests(t, (seen, response) => {
    if (seen.headers.authorization !== "Bearer second") return response.writeHead(401).end("no");
    response.writeHead(201, "Made", { "content-encoding": "gzip", "set-cookie": "a=b" });
    return response.end(gzipSync(plain));
  });
  owner.renew = async () => "second";
  const stream = new Sink();
  const { headers, ...rest } = await send({ maxResponseBytes: 1 }, { stream });
  const head = { status: 201, statusText: "Made", url: `${api.origin}/` };
  t.deepEqual(rest, { ...head, refreshed: true, ...stream.sent });
  t.deepEqual(stream.heads, [{ status: 201, statusText: "Made", url: `${api.origin}/`, headers }]);
  t.is(headers["content-encoding"], undefined);
  t.deepEqual(headers["set-cookie"], ["a=b"]);
  t.true(Buffer.concat(stream.chunks).equals(plain));
  t.true(stream.chunks.every(({ length }) => length <= 64 * 1024));
});

test("a streamed answer is passed on as it comes, its head first", async (t) => {
  const responses: ServerResponse[] = [];
  const { send } = await startRequests(t, (_, response) => {
    responses.push(response);
    response.flushHeaders();
  });
  const stream = new Sink();
  stream.head = async (head) => {
    stream.heads.push(head);
    responses[0]!.write("one");
  };
  stream.onChunk = async (chunk) => {
    if (chunk.toString() === "one") responses[0]!.write("two");
    else responses[0]!.end();
  };
  await send({}, { stream });
  t.deepEqual(stream.chunks.map(String), ["one", "two"]);
});

test("nothing more is read from the API while a chunk is pending", async (t) => {
  let written = 0;
  const { send } = await startRequests(t, (_, response) => {
    const more = (): unknown => {
      while (written < 64 * 1024 * 1024) {
        written += 65_536;
        if (!response.write(Buffer.alloc(65_536))) return response.once("drain", more);
      }
      return response.end();
    };
    more();
  });
  const stream = new Sink();
  let length = 0;
  stream.onChunk = async (chunk) => {
    if (length === 0) {
      // Longer than timeoutMs: a slow reader is not the API's silence.
      await pause(2_000);
      t.true(written < 32 * 1024 * 1024, `${written} bytes were taken`);
    }
    length += chunk.length;
    stream.chunks.length = 0;
  };
  await send({ timeoutMs: 1_500 }, { stream });
  t.is(length, 64 * 1024 * 1024);
});

test("a streamed answer may take longer than timeoutMs, but the API may not be silent that long", async (t) => {
  const { api, send } = await startRequests(t, (seen, response) => {
    let left = seen.url === "/steady" ? 12 : 2;
    const timer = setInterval(() => {
      if (left-- > 0) response.write("x");
      else {
        clearInterval(timer);
        if (seen.url === "/steady") response.end();
      }
    }, 150);
  });
  const steady = new Sink();
  await send({ url: `${api.origin}/steady`, timeoutMs: 1_500 }, { stream: steady });
  t.is(Buffer.concat(steady.chunks).length, 12);
  const silent = new Sink();
  const url = `${api.origin}/silent`;
  await requestRefused(t, send({ url, timeoutMs: 1_500 }, { stream: silent }), "timeout");
  t.is(Buffer.concat(silent.chunks).length, 2);
});

test("a reader that goes away ends a streamed answer", async (t) => {
  const { api, send } = await startRequests(t, (_, response) => void response.write("some"));
  const stream = new Sink();
  stream.onChunk = async () => {
    throw new AuthdError("cancelled", "mine: gone", { credential: "mine" });
  };
  await requestRefused(t, send({}, { stream }), "cancelled");
  await allClosed(api);
});

test("cancelling ends a streamed answer", async (t) => {
  const { api, send } = await startRequests(t, (_, response) => void response.write("some"));
  const cancel = new AbortController();
  const stream = new Sink();
  stream.onChunk = async () => void setTimeout(() => cancel.abort(), 10);
  await requestRefused(t, send({}, { stream, signal: cancel.signal }), "cancelled");
  await allClosed(api);
});
