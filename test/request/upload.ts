/** Bodies that clients send in parts: over a real socket, to real APIs. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { countBytes, startStreamingApi } from "../helpers/streaming-api.ts";
import { startUploading } from "../helpers/uploading.ts";

async function stage(
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
  const { origin, client, outcomes } = await stage(t, echo);
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
  const { origin, client } = await stage(t, echo);
  for (const body of ["123456", ""]) {
    const upload = await client.open(origin, { bodyBytes: body.length, method: "POST" });
    const { result } = await client.chunk(upload, 0, body, true);
    t.is(result?.body, `POST Bearer first ${body}`);
    t.like(result?.headers, { "x-length": `${body.length}`, "x-coding": "none" });
  }
});

test("parts that are sent without waiting for answers arrive in their order", async (t) => {
  const { origin, client } = await stage(t, echo);
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
  const { origin, client } = await stage(t, async (request, response) => {
    response.end(JSON.stringify(await countBytes(request)));
  });
  const upload = await client.open(origin);
  const part = Buffer.alloc(1_000_000, 7);
  for (let seq = 0; seq < 20; seq++) await client.chunk(upload, seq, part);
  const { result } = await client.chunk(upload, 20, part, true);
  t.deepEqual(JSON.parse(result?.body as string), { bytes: 21_000_000 });
});
