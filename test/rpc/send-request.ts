/** Bodies of the client: in one message where they fit, in parts where they don't, or as they come. */
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { AuthdError, connect } from "../../src/client.ts";
import { type AuthorizedResponse, MAX_BODY_BYTES } from "../../src/protocol.ts";
import { DaemonConnection } from "../../src/rpc/daemon-connection.ts";
import { encodeInMessage, sendRequest } from "../../src/rpc/send-request.ts";

import { countBytes, startStreamingApi } from "../helpers/streaming-api.ts";
import { until } from "../helpers/until.ts";
import { startUploading } from "../helpers/uploading.ts";
import { startWire } from "../helpers/wire.ts";

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");

/** Says what came: its digest and its length, and what was announced. */
async function digest(request: IncomingMessage, response: ServerResponse) {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of request) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const length = request.headers["content-length"] ?? "none";
  response.end(JSON.stringify({ bytes, length, sha256: hash.digest("hex") }));
}

async function setup(
  t: ExecutionContext,
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
) {
  const origin = await startStreamingApi(t, async (request, response) => {
    await Promise.resolve(listener(request, response)).catch(() => {});
  });
  const wire = await startUploading(t, origin);
  const client = connect({ socket: wire.path });
  t.teardown(() => client.close());
  return { ...wire, origin, client, fetch: client.authorizedFetch("mine") };
}

/** Bodies of which most are under the documented limit, and longer than that as JSON or as base64. */
const growing: Record<string, string> = {
  "6 MB of JSON": JSON.stringify({ words: Array(700_000).fill('"a"') }).slice(0, 6_000_000),
  "4.4 MB of tabs": "\t".repeat(4_400_000),
  "3 MB of zeros": "\0".repeat(3_000_000),
  "6 MiB of zeros": "\0".repeat(MAX_BODY_BYTES),
  "over 6 MiB": "a".repeat(MAX_BODY_BYTES + 1),
};

for (const [what, body] of Object.entries(growing)) {
  test.serial(
    `${what} arrive as they are, by authorizedRequest and by authorizedFetch`,
    async (t) => {
      const { client, origin, fetch } = await setup(t, digest);
      const bytes = Buffer.byteLength(body);
      const expected = { bytes, length: `${bytes}`, sha256: sha256(body) };
      const about = { credential: "mine", url: origin, method: "POST" };
      t.deepEqual(JSON.parse((await client.authorizedRequest({ ...about, body })).body!), expected);
      const response = await fetch(origin, { method: "POST", body });
      t.deepEqual(await response.json(), expected);
    },
  );
}

test.serial("a long bodyBase64 goes in parts; a wrong one is refused", async (t) => {
  const { client, origin } = await setup(t, digest);
  const bytes = randomBytes(MAX_BODY_BYTES);
  const about = { credential: "mine", url: origin, method: "POST" };
  const bodyBase64 = bytes.toString("base64");
  const { body } = await client.authorizedRequest({ ...about, bodyBase64 });
  t.is(JSON.parse(body!).sha256, sha256(bytes));
  const wrong = client.authorizedRequest({
    ...about,
    bodyBase64: `-${bodyBase64.slice(0, 2_000_000)}`,
  });
  t.is((await t.throwsAsync(wrong, { instanceOf: AuthdError }))?.reason, "invalid_params");
});

test("the shorter way to write a body is taken", (t) => {
  t.deepEqual(encodeInMessage(Buffer.from('plain "text"')), { body: 'plain "text"' });
  t.deepEqual(encodeInMessage(Buffer.from("\0\0\0")), { bodyBase64: "AAAA" });
  t.deepEqual(encodeInMessage(Buffer.from([255])), { bodyBase64: "/w==" });
  t.deepEqual(encodeInMessage(Buffer.alloc(0)), { body: "" });
  t.is(encodeInMessage(Buffer.alloc(MAX_BODY_BYTES)), undefined);
});

const answer: AuthorizedResponse = {
  ...{ status: 200, statusText: "OK", headers: {}, url: "https://api.example/" },
  ...{ body: "fine", refreshed: false },
};

/** 100 parts of 100,000 bytes each, and how many of them were asked for. */
function longStream(parts = 100) {
  const state = { asked: 0, cancelled: undefined as unknown, hash: createHash("sha256") };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (state.asked === parts) return controller.close();
        state.asked++;
        const part = randomBytes(100_000);
        state.hash.update(part);
        return controller.enqueue(part);
      },
      cancel: (reason) => {
        state.cancelled = reason ?? "cancelled";
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

test("authorizedFetch streams a ReadableStream up", async (t) => {
  const { origin, fetch } = await setup(t, digest);
  const { stream, state } = longStream();
  const response = await fetch(origin, { method: "PUT", body: stream, duplex: "half" });
  t.deepEqual(await response.json(), {
    bytes: 10_000_000,
    length: "none",
    sha256: state.hash.digest("hex"),
  });
});

test("authorizedFetch streams an async iterable and a large Blob up", async (t) => {
  const { origin, fetch } = await setup(t, digest);
  async function* lines() {
    for (const line of ["one\n", "two\n"]) yield Buffer.from(line);
  }
  const body = lines();
  const said = await (await fetch(origin, { method: "PUT", body, duplex: "half" })).json();
  t.deepEqual(said, { bytes: 8, length: "none", sha256: sha256("one\ntwo\n") });
  const bytes = randomBytes(MAX_BODY_BYTES + 7);
  const blob = await (await fetch(origin, { method: "PUT", body: new Blob([bytes]) })).json();
  t.deepEqual(blob, { bytes: bytes.length, length: `${bytes.length}`, sha256: sha256(bytes) });
});

test("the first part of a stream is sent before the second is there", async (t) => {
  let arrived = "";
  const { origin, fetch } = await setup(t, async (request, response) => {
    for await (const chunk of request) arrived += chunk;
    response.end(arrived);
  });
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(Buffer.from("first "));
      await until(() => arrived === "first ");
      controller.enqueue(Buffer.from("second"));
      controller.close();
    },
  });
  const response = await fetch(origin, { method: "POST", body, duplex: "half" });
  t.is(await response.text(), "first second");
});

test("an API that takes nothing holds the stream back", async (t) => {
  const { origin, fetch } = await setup(t, async (request, response) => {
    await pause(300);
    response.end(JSON.stringify(await countBytes(request)));
  });
  const { stream, state } = longStream(200);
  const fetched = fetch(origin, { method: "PUT", body: stream, duplex: "half" });
  await pause(250);
  t.true(state.asked < 100, `${state.asked} parts were read ahead`);
  t.deepEqual(await (await fetched).json(), { bytes: 20_000_000 });
});

test("chunks that wait for a slow API are not given up, however long all of them take", async (t) => {
  const timeoutMs = 1_000;
  let before = Promise.resolve();
  const wire = await startWire(t, {
    "request/open": () => ({ upload: "one" }),
    "request/chunk": async ({ last }) => {
      before = before.then(() => pause(timeoutMs / 4));
      await before;
      return last ? answer : {};
    },
  });
  const connection = await DaemonConnection.open(wire.path);
  t.teardown(() => connection.destroy());
  const parts = (async function* () {
    for (let sent = 0; sent < 8; sent++) yield Buffer.from("part");
  })();
  const head = { credential: "mine", url: answer.url, method: "PUT" };
  t.deepEqual(await sendRequest(connection, head, { parts }, { timeoutMs }), answer);
});

test("an aborted fetch ends the request, and the stream is told", async (t) => {
  let [arrived, ending]: [boolean, unknown] = [false, undefined];
  const { origin, fetch, outcomes } = await setup(t, async (request) => {
    arrived = true;
    ending = await countBytes(request);
  });
  const controller = new AbortController();
  let cancelled: unknown;
  const body = new ReadableStream<Uint8Array>({
    start: (stream) => stream.enqueue(Buffer.alloc(1_000)),
    cancel: (reason) => {
      cancelled = reason;
    },
  });
  const { signal } = controller;
  const fetched = fetch(origin, { method: "PUT", body, duplex: "half", signal });
  await until(() => arrived);
  const reason = new Error("enough");
  controller.abort(reason);
  t.is(await fetched.catch((error) => error), reason);
  await until(() => ending !== undefined && outcomes.length === 1);
  t.truthy((ending as { error?: Error }).error);
  t.deepEqual(outcomes, ["cancelled"]);
  t.is(cancelled, reason);
});

test("a stream that fails is the caller's error, and the API does not get an end", async (t) => {
  let ending: { bytes: number; error?: Error } | undefined;
  const { origin, fetch } = await setup(t, async (request) => {
    ending = await countBytes(request);
  });
  const broken = new Error("the disk is gone");
  const body = (async function* () {
    yield Buffer.alloc(1_000);
    throw broken;
  })();
  const error = await t.throwsAsync(fetch(origin, { method: "PUT", body, duplex: "half" }));
  t.is(error, broken);
  await until(() => ending !== undefined);
  t.truthy(ending?.error);
});

test("an answer before the end of the body is the answer, and the stream is told", async (t) => {
  const { origin, fetch } = await setup(t, (_, response) => {
    response.writeHead(413).end("too much");
  });
  const { stream, state } = longStream(1_000_000);
  const response = await fetch(origin, { method: "PUT", body: stream, duplex: "half" });
  t.is(response.status, 413);
  t.is(await response.text(), "too much");
  await until(() => state.cancelled !== undefined);
  t.true(state.asked < 1_000);
});

test("a refusal is the daemon's error", async (t) => {
  const { fetch } = await setup(t, digest);
  const { stream } = longStream();
  const fetched = fetch("http://127.0.0.1:1/", { method: "PUT", body: stream, duplex: "half" });
  const error = await t.throwsAsync(fetched, { instanceOf: AuthdError });
  t.is(error?.reason, "origin_not_allowed");
});
