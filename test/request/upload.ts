/** Bodies that clients send in parts: over a real socket, to real APIs. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { KEPT_BYTES } from "../../src/request/upload-body.ts";

import { countBytes, startStreamingApi } from "../helpers/streaming-api.ts";
import { until } from "../helpers/until.ts";
import { startUploading } from "../helpers/uploading.ts";

async function setup(
  t: ExecutionContext,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
  options: Parameters<typeof startUploading>[2] = {},
) {
  const origin = await startStreamingApi(t, (request, response) => {
    request.on("error", () => {});
    void listener(request, response);
  });
  return { origin, ...(await startUploading(t, origin, options)) };
}

/** Says what came. */
const echo = async (request: IncomingMessage, response: ServerResponse) => {
  const body = await text(request);
  const { method, headers } = request;
  response.setHeader("x-length", headers["content-length"] ?? "none");
  response.setHeader("x-coding", headers["transfer-encoding"] ?? "none");
  response.end(`${method} ${headers.authorization} ${body}`);
};

test("a body in parts arrives whole, and the last part gets the answer", async (t) => {
  const { origin, client, outcomes } = await setup(t, echo);
  const upload = await client.open(`${origin}/x?y`);
  t.like(await client.chunk(upload, 0, "one, "), { result: {} });
  t.like(await client.chunk(upload, 1, ""), { result: {} });
  t.like(await client.chunk(upload, 2, "two, "), { result: {} });
  const { result } = await client.chunk(upload, 3, "three", true);
  t.like(result, {
    status: 200,
    url: `${origin}/x?y`,
    body: "PUT Bearer first one, two, three",
    refreshed: false,
  });
  t.like(result?.headers, { "x-length": "none", "x-coding": "chunked" });
  t.deepEqual(outcomes, ["200"]);
  t.is((await client.chunk(upload, 4, "more")).error?.data.reason, "invalid_params");
});

test("with bodyBytes the API is told the length", async (t) => {
  const { origin, client } = await setup(t, echo);
  for (const body of ["123456", ""]) {
    const upload = await client.open(origin, { bodyBytes: body.length, method: "POST" });
    const { result } = await client.chunk(upload, 0, body, true);
    t.is(result?.body, `POST Bearer first ${body}`);
    t.like(result?.headers, { "x-length": `${body.length}`, "x-coding": "none" });
  }
});

test("parts that are sent without waiting for answers arrive in their order", async (t) => {
  const { origin, client } = await setup(t, echo);
  const upload = await client.open(origin);
  const ids = Array.from({ length: 50 }, (_, seq) => {
    const data = Buffer.from(`${seq},`).toString("base64");
    return client.send("request/chunk", { upload, seq, data, last: seq === 49 });
  });
  const answers = [];
  for (const _ of ids) answers.push(await client.answer());
  t.deepEqual(
    answers.map(({ id }) => id),
    ids,
  );
  const all = Array.from({ length: 50 }, (_, seq) => `${seq},`).join("");
  t.is(answers.at(-1)?.result?.body, `PUT Bearer first ${all}`);
});

test("a large body arrives whole", async (t) => {
  const { origin, client } = await setup(t, async (request, response) => {
    response.end(JSON.stringify(await countBytes(request)));
  });
  const upload = await client.open(origin);
  const part = Buffer.alloc(1_000_000, 7);
  for (let seq = 0; seq < 20; seq++) await client.chunk(upload, seq, part);
  const { result } = await client.chunk(upload, 20, part, true);
  t.deepEqual(JSON.parse(result?.body as string), { bytes: 21_000_000 });
});

// ---- what the API answers before the end ----

/** Refuses the first token as soon as `at` bytes have come, takes any other. */
const refusing = (at: number) => async (request: IncomingMessage, response: ServerResponse) => {
  if (request.headers.authorization !== "Bearer first") return await echo(request, response);
  await arrived(request, at);
  return response.writeHead(401).end("refused");
};

/** Resolves when so many bytes of the body have come, and leaves the connection open. */
function arrived(request: IncomingMessage, bytes: number): Promise<void> {
  let seen = 0;
  return new Promise((resolve) => {
    request.on("data", (chunk: Buffer) => {
      seen += chunk.length;
      if (seen >= bytes) resolve();
    });
  });
}

test("a 401 before more than 1 MiB was sent renews the token, and the body begins anew", async (t) => {
  const { origin, client, owner, outcomes } = await setup(t, refusing(KEPT_BYTES));
  let renewals = 0;
  owner.renew = async () => `second${++renewals}`.slice(0, -1);
  const upload = await client.open(origin);
  const half = "a".repeat(KEPT_BYTES / 2);
  await client.chunk(upload, 0, half);
  await client.chunk(upload, 1, half);
  await until(() => renewals === 1);
  await client.chunk(upload, 2, "more, ");
  const { result } = await client.chunk(upload, 3, "the end", true);
  t.true(result?.body === `PUT Bearer second ${half}${half}more, the end`);
  t.true(result?.refreshed);
  t.deepEqual(outcomes, ["200"]);
});

test("a body in parts is refused where the token goes into the body", async (t) => {
  const settings = { placement: { body: { token: "{token}" } } };
  const { origin, client } = await setup(t, echo, { settings });
  const { error } = await client.call("request/open", {
    ...{ credential: "mine", method: "POST", url: origin },
    headers: { "content-type": "application/json" },
  });
  t.is(error?.data.reason, "invalid_params");
  t.regex(error?.message ?? "", /token goes into the body \(token\), which can't come in parts/);
});

test("a code in an answer renews the token too, and the body begins anew", async (t) => {
  const { origin, client, owner } = await setup(
    t,
    async (request, response) => {
      if (request.headers.authorization !== "Bearer first") return await echo(request, response);
      await arrived(request, 1);
      return response.setHeader("content-type", "application/json").end('{"code":401}');
    },
    { settings: { renewOn: [{ body: { "/code": 401 } }] } },
  );
  owner.renew = async () => "second";
  const upload = await client.open(origin);
  await client.chunk(upload, 0, "one, ");
  const { result } = await client.chunk(upload, 1, "two", true);
  t.is(result?.body, "PUT Bearer second one, two");
  t.true(result?.refreshed);
});

test("parts that come while the token is renewed are sent behind those before", async (t) => {
  const { origin, client, owner } = await setup(t, refusing(1));
  let finish: ((token: string) => void) | undefined;
  owner.renew = () =>
    new Promise((resolve) => {
      finish = resolve;
    });
  const upload = await client.open(origin);
  client.send("request/chunk", { upload, seq: 0, data: btoa("one ") });
  await until(() => finish !== undefined);
  client.send("request/chunk", { upload, seq: 1, data: btoa("two ") });
  client.send("request/chunk", { upload, seq: 2, data: btoa("three"), last: true });
  finish?.("second");
  t.deepEqual((await client.answer()).result, {});
  t.deepEqual((await client.answer()).result, {});
  t.is((await client.answer()).result?.body, "PUT Bearer second one two three");
});

test("a 401 after more than 1 MiB is the answer, and so is one that renews nothing", async (t) => {
  for (const [bytes, renewed] of [
    [KEPT_BYTES + 1, "second"],
    [10, undefined],
  ] as const) {
    const { origin, client, owner } = await setup(t, refusing(bytes));
    let renewals = 0;
    owner.renew = async () => {
      renewals++;
      return renewed;
    };
    const upload = await client.open(origin);
    let answer = await client.chunk(upload, 0, Buffer.alloc(bytes));
    for (let seq = 1; !answer.result?.status; seq++) answer = await client.chunk(upload, seq, "x");
    t.like(answer.result, { status: 401, body: "refused", refreshed: false });
    t.is(renewals, renewed === undefined ? 1 : 0);
  }
});

test("an early answer goes to the first chunk that waits, and ends the upload", async (t) => {
  const { origin, client, outcomes } = await setup(t, (request, response) => {
    request.once("data", () => response.writeHead(413).end("too much"));
  });
  const upload = await client.open(origin);
  const data = Buffer.alloc(4_000_000).toString("base64");
  for (const seq of [0, 1, 2]) client.send("request/chunk", { upload, seq, data });
  const answers = [await client.answer(), await client.answer(), await client.answer()];
  const statuses = answers.map(({ result }) => result?.status).filter((status) => status);
  t.deepEqual(statuses, [413]);
  const refused = answers.filter(({ error }) => error);
  for (const { error } of refused) t.is(error?.data.reason, "invalid_params");
  t.regex((await client.chunk(upload, 3, "")).error?.message ?? "", /has ended/);
  t.deepEqual(outcomes, ["413"]);
});

test("an early answer waits for the next chunk; an answer's head alone does not end the upload", async (t) => {
  const { origin, client, outcomes } = await setup(t, async (request, response) => {
    response.flushHeaders();
    for await (const chunk of request) {
      response.write(chunk);
      if (String(chunk).includes("enough")) break;
    }
    response.end("!");
  });
  const upload = await client.open(origin);
  t.deepEqual((await client.chunk(upload, 0, "one ")).result, {});
  t.deepEqual((await client.chunk(upload, 1, "two ")).result, {});
  client.send("request/chunk", { upload, seq: 2, data: btoa("enough") });
  await until(() => outcomes.length === 1);
  const first = (await client.answer()).result!;
  const result = first.status ? first : (await client.chunk(upload, 3, "more")).result;
  t.like(result, { status: 200, body: "one two enough!" });
});

test("redirects: 303 becomes GET, 307 sends the body anew if all of it is kept", async (t) => {
  const { origin, client } = await setup(t, async (request, response) => {
    const { searchParams, pathname } = new URL(request.url!, "http://localhost");
    if (pathname !== "/go") return await echo(request, response);
    await arrived(request, Number(searchParams.get("at")));
    const location = searchParams.get("to") ?? "/there";
    return response.writeHead(Number(searchParams.get("status")), { location }).end("elsewhere");
  });
  const sent = async (query: string, parts: readonly string[]) => {
    const upload = await client.open(`${origin}/go?${query}`);
    for (let seq = 0; ; seq++) {
      const last = seq >= parts.length - 1 || undefined;
      const { result, error } = await client.chunk(upload, seq, parts[seq] ?? "", last);
      if (!result) throw new Error(error?.message);
      if (result.status) return result;
    }
  };
  const much = "a".repeat(KEPT_BYTES + 1);
  t.like(await sent("status=303&at=3", ["one", " two"]), { body: "GET Bearer first " });
  t.like(await sent(`status=303&at=${much.length}`, [much, " two"]), { body: "GET Bearer first " });
  t.like(await sent("status=307&at=3", ["one", " two"]), { body: "PUT Bearer first one two" });
  t.like(await sent(`status=308&at=${much.length}`, [much, " two"]), {
    status: 308,
    body: "elsewhere",
  });
  t.like(await sent("status=307&at=3&to=http://127.0.0.1:1/", ["one", " two"]), { status: 307 });
});

// ---- what clients do wrong ----

test("a chunk out of turn, without base64 or of another connection changes nothing", async (t) => {
  const { origin, client, connect } = await setup(t, echo);
  const other = await connect();
  const upload = await client.open(origin);
  const refused = async (params: object, says: RegExp, from = client) => {
    const { error } = await from.call("request/chunk", { upload, seq: 0, data: "", ...params });
    t.is(error?.data.reason, "invalid_params");
    t.regex(error?.message ?? "", says);
  };
  await refused({ seq: 1 }, /chunk 0 comes next, not 1/);
  await refused({ data: "a" }, /not base64/);
  await refused({ data: "YW-_" }, /not base64/);
  await refused({ data: "YW\u0141D" }, /not base64/);
  await refused({ upload: "x" }, /no upload "x"/);
  await refused({}, /no upload ".*another connection/, other);
  t.deepEqual((await client.chunk(upload, 0, "one ")).result, {});
  await refused({ seq: 0 }, /chunk 1 comes next, not 0/);
  const ids = [1, 2].map((seq) =>
    client.send("request/chunk", { upload, seq, data: "", last: true }),
  );
  const answers = [await client.answer(), await client.answer()];
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  t.is(byId.get(ids[0]!)?.result?.body, "PUT Bearer first one ");
  t.is(byId.get(ids[1]!)?.error?.data.reason, "invalid_params");
});

test("request/open refuses a body, and what authorizedRequest refuses", async (t) => {
  const { origin, client, outcomes } = await setup(t, echo);
  const opened = async (params: object) =>
    (await client.call("request/open", { credential: "mine", url: origin, ...params })).error;
  t.regex((await opened({ body: "" }))?.message ?? "", /takes no body: send it in request\/chunk/);
  t.regex((await opened({ bodyBase64: "YQ==" }))?.message ?? "", /takes no body/);
  t.is((await opened({ url: "https://other.example/" }))?.data.reason, "origin_not_allowed");
  t.is((await opened({ method: "TRACE" }))?.data.reason, "invalid_params");
  t.is((await opened({ headers: { "content-length": "1" } }))?.data.reason, "invalid_params");
  t.is((await opened({ bodyBytes: -1 }))?.data.reason, "invalid_params");
  t.is(outcomes.length, 5);
});

for (const [what, chunks, says] of [
  ["more", ["12345", "678901"], /more than 10 bytes came, and bodyBytes says 10/],
  ["fewer", ["12345", "6"], /no more than 6 bytes came, and bodyBytes says 10/],
] as const) {
  test(`${what} bytes than bodyBytes end the upload, and the API gets no end`, async (t) => {
    let ending: { bytes: number; error?: Error } | undefined;
    const { origin, client, outcomes } = await setup(t, async (request) => {
      ending = await countBytes(request);
    });
    const upload = await client.open(origin, { bodyBytes: 10 });
    await client.chunk(upload, 0, chunks[0]);
    const { error } = await client.chunk(upload, 1, chunks[1], true);
    t.is(error?.data.reason, "invalid_params");
    t.regex(error?.message ?? "", says);
    await until(() => ending !== undefined && outcomes.length === 1);
    t.true(ending!.error !== undefined && ending!.bytes < 10);
    t.deepEqual(outcomes, ["invalid_params"]);
    t.regex((await client.chunk(upload, 2, "")).error?.message ?? "", /has ended/);
  });
}

// ---- the end of it ----

/** An API that never answers. */
async function stalled(t: ExecutionContext, options: Parameters<typeof setup>[2] = {}) {
  const api = { broken: 0, begun: 0, whole: 0 };
  const staged = await setup(
    t,
    async (request) => {
      api.begun++;
      if ((await countBytes(request)).error) api.broken++;
      else api.whole++;
    },
    options,
  );
  return { ...staged, api };
}

test("a chunk that is cancelled ends the upload", async (t) => {
  const { origin, client, outcomes, api } = await stalled(t);
  const upload = await client.open(origin);
  await client.chunk(upload, 0, "one");
  const id = client.send("request/chunk", { upload, seq: 1, data: "", last: true });
  await until(() => api.whole === 1);
  client.raw.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
  const { error } = await client.answer();
  t.is(error?.code, -32800);
  await until(() => outcomes.length === 1);
  t.deepEqual(outcomes, ["cancelled"]);
  t.regex((await client.chunk(upload, 2, "")).error?.message ?? "", /cancelled|has ended/);
});

test("request/open that is cancelled sends nothing", async (t) => {
  const { origin, client, outcomes, owner, api } = await stalled(t);
  let asked = false;
  owner.token = () => {
    asked = true;
    return new Promise(() => {});
  };
  const id = client.send("request/open", { credential: "mine", url: origin });
  await until(() => asked);
  client.raw.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
  t.is((await client.answer()).error?.data.reason, "cancelled");
  t.is(api.begun, 0);
  t.true(outcomes.length <= 1);
});

test("the end of its connection ends an upload", async (t) => {
  const { origin, client, outcomes, api, server } = await stalled(t);
  const upload = await client.open(origin);
  await client.chunk(upload, 0, "one");
  await until(() => api.begun === 1);
  client.raw.socket.destroy();
  await until(() => api.broken === 1 && outcomes.length === 1);
  t.deepEqual(outcomes, ["cancelled"]);
  const { answers, answerBytes, requestBytes } = server.memoryBudget;
  t.deepEqual(
    { answers, answerBytes, requestBytes },
    { answers: 0, answerBytes: 0, requestBytes: 0 },
  );
});

test("a client that sends nothing more is given up after a while, one that sends empty chunks is not", async (t) => {
  const { origin, client, outcomes, api } = await stalled(t, { idleMs: 2_000 });
  const upload = await client.open(origin);
  for (let seq = 0; seq < 5; seq++) {
    await pause(500);
    t.deepEqual((await client.chunk(upload, seq, seq === 0 ? "begun" : "")).result, {});
  }
  await until(() => outcomes.length === 1);
  t.deepEqual(outcomes, ["timeout"]);
  await until(() => api.broken === 1);
  const { error } = await client.chunk(upload, 5, "");
  t.is(error?.data.reason, "timeout");
  t.regex(error?.message ?? "", /mine: the client sent no more of the body within 2000 ms/);
});

test("an answer that nobody asks for is dropped after a while, and gives back what it holds", async (t) => {
  const options = { idleMs: 200 };
  const { origin, client, server } = await setup(
    t,
    (_, response) => response.end("early"),
    options,
  );
  await client.open(origin, { bodyBytes: 10 });
  const { memoryBudget } = server;
  t.true(memoryBudget.answers === 1);
  await until(() => memoryBudget.answers === 0);
  t.is(memoryBudget.answerBytes, 0);
});

test("an API that takes nothing, or gives no answer, is given up after timeoutMs", async (t) => {
  const { origin, client } = await setup(t, (request) => void request.pause());
  const upload = await client.open(origin, { timeoutMs: 300 });
  const part = Buffer.alloc(3_000_000);
  let answer = await client.chunk(upload, 0, part);
  for (let seq = 1; !answer.error; seq++) answer = await client.chunk(upload, seq, part);
  t.is(answer.error.data.reason, "timeout");
  t.regex(answer.error.message, /took no more of the body within 300 ms/);

  const second = await stalled(t);
  const name = await second.client.open(second.origin, { timeoutMs: 300 });
  const { error } = await second.client.chunk(name, 0, "all", true);
  t.is(error?.data.reason, "timeout");
});

test("a daemon that ends answers a chunk in flight, and takes no more", async (t) => {
  const { origin, client, server, api } = await stalled(t);
  const upload = await client.open(origin);
  await client.chunk(upload, 0, "one");
  const last = client.send("request/chunk", { upload, seq: 1, data: "", last: true });
  await until(() => api.whole === 1);
  const closed = server.close(2_000);
  const late = client.send("request/chunk", { upload, seq: 2, data: "" });
  const answers = [await client.answer(), await client.answer()];
  t.deepEqual(answers.map(({ id }) => id).sort(), [last, late]);
  for (const { error } of answers) t.is(error?.data.reason, "shutting_down");
  await closed;
});

// ---- limits ----

test("a streamed answer has the id of request/open and its streamToken", async (t) => {
  const { origin, client } = await setup(t, echo);
  const upload = await client.open(origin, { stream: true, streamToken: "mark" });
  await client.chunk(upload, 0, "one ");
  const { result } = await client.chunk(upload, 1, "two", true);
  t.like(result, { status: 200, bytes: 24, chunks: 1 });
  t.false("body" in result!);
  const [head, chunk] = client.notes;
  t.like(head, { method: "response/head", params: { id: 1, status: 200, streamToken: "mark" } });
  t.like(chunk, { method: "response/chunk", params: { id: 1, seq: 0, streamToken: "mark" } });
  t.is(atob(chunk?.params?.data as string), "PUT Bearer first one two");
});

test("maxResponseBytes limits the answer", async (t) => {
  const { origin, client } = await setup(t, echo);
  const upload = await client.open(origin, { maxResponseBytes: 10 });
  const { error } = await client.chunk(upload, 0, "many words", true);
  t.is(error?.data.reason, "response_too_large");
});

test("uploads count as requests to APIs, and what is kept of their bodies as large answers", async (t) => {
  const { origin, client, server } = await setup(t, echo, { limits: { answers: 2 } });
  const { memoryBudget } = server;
  const uploads = [await client.open(origin), await client.open(origin, { bodyBytes: 100_000 })];
  t.is(memoryBudget.answers, 2);
  t.is(memoryBudget.answerBytes, KEPT_BYTES + 100_000);
  const { error } = await client.call("request/open", { credential: "mine", url: origin });
  t.is(error?.data.reason, "too_busy");
  await client.chunk(uploads[0]!, 0, Buffer.alloc(KEPT_BYTES + 1, "a"));
  await client.chunk(uploads[0]!, 1, "");
  t.is(memoryBudget.answerBytes, 100_000);
  await client.chunk(uploads[0]!, 2, "b", true);
  await client.chunk(uploads[1]!, 0, Buffer.alloc(100_000, "a"), true);
  await until(() => memoryBudget.answers === 0);
  t.is(memoryBudget.answerBytes, 0);

  const small = await setup(t, echo, { limits: { answerBytes: KEPT_BYTES } });
  await small.client.open(small.origin);
  const refused = await small.client.call("request/open", {
    credential: "mine",
    url: small.origin,
  });
  t.is(refused.error?.data.reason, "too_busy");
  t.is(small.server.memoryBudget.answers, 1);
});
