/** authd/undici, with undici itself and with Node's own fetch, which has the handlers of an earlier one. */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import * as undici from "undici";
import { AuthdDispatcher } from "../../src/client/undici.ts";
import { AuthdError, connect } from "../../src/client.ts";
import { countBytes, startStreamingApi } from "../helpers/streaming-api.ts";
import { until } from "../helpers/until.ts";
import { startUploading } from "../helpers/uploading.ts";

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

/** Answers with what came: method, path, some headers, and the body's digest. */
async function setup(t: ExecutionContext, listener = tell) {
  const origin = await startStreamingApi(
    t,
    (request, response) => void listener(request, response),
  );
  const wire = await startUploading(t, origin);
  const client = connect({ socket: wire.path });
  t.teardown(() => client.close());
  return { ...wire, origin, client, dispatcher: new AuthdDispatcher(client, "mine") };
}

const tell: Parameters<typeof startStreamingApi>[1] = async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const { method, url, headers } = request;
  const { authorization, "content-length": length = "none", "x-a": a } = headers;
  response.setHeader("set-cookie", ["a=1", "b=2"]).writeHead(201);
  const sha = sha256(Buffer.concat(parts));
  response.end(JSON.stringify({ method, url, authorization, length, a, sha }));
};

test("undici's request and fetch go through authd, with bodies of every kind", async (t) => {
  const { origin, dispatcher } = await setup(t);
  const bytes = randomBytes(300_000);
  const bodies = [
    bytes,
    bytes.toString("base64"),
    Readable.from([bytes.subarray(0, 9), bytes.subarray(9)]),
  ];
  for (const body of bodies) {
    const {
      statusCode,
      headers,
      body: answer,
    } = await undici.request(`${origin}/x?q=1`, {
      dispatcher,
      method: "PUT",
      headers: { "X-A": "1", connection: "keep-alive" },
      query: { r: "2" },
      body,
    });
    t.is(statusCode, 201);
    t.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
    const sent = typeof body === "string" ? Buffer.from(body) : bytes;
    t.like(await answer.json(), { method: "PUT", url: "/x?q=1&r=2", a: "1", sha: sha256(sent) });
  }
  const fetched = await undici.fetch(`${origin}/y`, { dispatcher, method: "POST", body: bytes });
  t.is(fetched.status, 201);
  t.deepEqual(fetched.headers.getSetCookie(), ["a=1", "b=2"]);
  t.like(await fetched.json(), { url: "/y", length: "300000", sha: sha256(bytes) });
});

test("Node's own fetch takes it, too", async (t) => {
  const { origin, dispatcher } = await setup(t);
  // Node's types are of the undici that is in Node.
  const init = { dispatcher: dispatcher as never, method: "POST", body: "hello" };
  const response = await fetch(`${origin}/z`, { ...init, headers: { "x-a": "1" } });
  t.is(response.status, 201);
  t.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  t.like(await response.json(), { a: "1", length: "5", sha: sha256(Buffer.from("hello")) });
});

test("interceptors of undici compose with it", async (t) => {
  let tries = 0;
  const { origin, dispatcher } = await setup(t, (request, response) => {
    request.resume();
    response.writeHead(++tries < 3 ? 503 : 200).end("fine");
  });
  const retrying = dispatcher.compose(undici.interceptors.retry({ minTimeout: 1, maxTimeout: 2 }));
  const { statusCode, body } = await undici.request(origin, { dispatcher: retrying });
  t.is(statusCode, 200);
  t.is(await body.text(), "fine");
});

for (const [name, send] of [
  ["undici", undici.fetch],
  ["Node", fetch as unknown as typeof undici.fetch],
] as const) {
  test(`${name}: a body that is read slowly holds the API back`, async (t) => {
    let sent = 0;
    const { origin, dispatcher } = await setup(t, async (_, response) => {
      const chunk = randomBytes(64 * 1024);
      for (; sent < 500; sent++) {
        if (!response.write(chunk)) await new Promise((drained) => response.once("drain", drained));
      }
      response.end();
    });
    const response = await send(origin, { dispatcher: dispatcher as never });
    let before = -1;
    while (sent === 0 || sent !== before) {
      before = sent;
      await pause(100);
    }
    t.true(sent < 500);
    t.is((await response.arrayBuffer()).byteLength, 500 * 64 * 1024);
  });

  test(`${name}: an aborted request is cancelled at authd`, async (t) => {
    let ending: unknown;
    const { origin, dispatcher, outcomes } = await setup(t, async (request) => {
      ending = await countBytes(request);
    });
    const controller = new AbortController();
    const init = { method: "PUT", body: new ReadableStream(), duplex: "half" as const };
    const { signal } = controller;
    const sent = send(origin, { dispatcher: dispatcher as never, ...(init as object), signal });
    setTimeout(() => controller.abort(), 200);
    const error = await t.throwsAsync(sent, { any: true });
    t.is((error as Error).name, "AbortError");
    await until(() => outcomes.length === 1);
    t.deepEqual(outcomes, ["cancelled"]);
    t.true(ending === undefined || "error" in (ending as object));
  });

  test(`${name}: authd's refusal is the error, or its cause`, async (t) => {
    const { dispatcher } = await setup(t);
    const sent = send("http://127.0.0.1:65000/", { dispatcher: dispatcher as never });
    const error = await t.throwsAsync(sent, { instanceOf: TypeError });
    t.true(error?.cause instanceof AuthdError);
    t.is((error!.cause as AuthdError).reason, "origin_not_allowed");
  });
}

test("request rejects with the AuthdError itself", async (t) => {
  const { dispatcher } = await setup(t);
  const error = await t.throwsAsync(undici.request("http://127.0.0.1:65000/", { dispatcher }), {
    instanceOf: AuthdError,
  });
  t.is(error?.reason, "origin_not_allowed");
});

test("a closed dispatcher refuses, a destroyed one ends what is under way", async (t) => {
  const { origin, dispatcher } = await setup(t, () => {});
  const sent = t.throwsAsync(undici.request(origin, { dispatcher }), { instanceOf: AuthdError });
  await pause(100);
  await dispatcher.destroy();
  t.is((await sent)?.reason, "cancelled");
  const later = undici.request(origin, { dispatcher });
  t.is((await t.throwsAsync(later, { instanceOf: AuthdError }))?.reason, "cancelled");
});
