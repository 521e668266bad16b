import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { createHttp } from "../../src/http/http.ts";
import { peekBody } from "../../src/request/peek.ts";
import { type Handler, startApi } from "../helpers/api.ts";

async function answerOf(t: ExecutionContext, handler: Handler) {
  const { origin } = await startApi(t, handler);
  const http = createHttp();
  t.teardown(() => http.close());
  return await http({ method: "GET", url: origin, headers: {} });
}

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

test("returns the text of a short document, and the body unread", async (t) => {
  for (const body of ['{"a":"é"}', ""]) {
    const response = await answerOf(t, (_, out) => void out.writeHead(200, JSON_TYPE).end(body));
    const peeked = await peekBody(response, 10_000);
    t.is(peeked.text, body);
    t.is(await text(peeked.response.body), body);
  }
});

test("decodes the text, and leaves the body as it came", async (t) => {
  const bytes = gzipSync("{}");
  const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
  const response = await answerOf(t, (_, out) => void out.writeHead(200, headers).end(bytes));
  const peeked = await peekBody(response, 10_000);
  t.is(peeked.text, "{}");
  t.deepEqual(Buffer.concat(await peeked.response.body.toArray()), bytes);
});

test("a body whose coding is unknown or broken has no text", async (t) => {
  for (const coding of ["zstd", "gzip"]) {
    const headers = { ...JSON_TYPE, "content-encoding": coding };
    const response = await answerOf(t, (_, out) => void out.writeHead(200, headers).end("{}"));
    const peeked = await peekBody(response, 10_000);
    t.is(peeked.text, undefined);
    t.is(await text(peeked.response.body), "{}");
  }
});

test("a body that is slow, or long, is put back whole", async (t) => {
  const long = "x".repeat(200_000);
  const ends: (() => void)[] = [];
  const slow = await answerOf(t, (_, out) => {
    out.writeHead(200, JSON_TYPE).write("begin");
    ends.push(() => out.end(" and end"));
  });
  const peeked = await peekBody(slow, 50);
  t.is(peeked.text, undefined);
  ends[0]?.();
  t.is(await text(peeked.response.body), "begin and end");
  const response = await answerOf(t, (_, out) => {
    out.writeHead(200, JSON_TYPE).write(long);
    out.end(long);
  });
  const { text: found, response: unread } = await peekBody(response, 10_000);
  t.is(found, undefined);
  t.true((await text(unread.body)) === long + long);
});

test("a long, slow or binary body waits for nothing", async (t) => {
  const endless = [
    { "content-type": "text/event-stream" },
    { "content-type": "application/x-ndjson" },
    { "content-type": "application/octet-stream" },
    { ...JSON_TYPE, "content-length": "65537" },
  ];
  for (const headers of endless) {
    const response = await answerOf(t, (_, out) => void out.writeHead(200, headers).write("{}"));
    const peeked = await peekBody(response, 10_000);
    t.is(peeked.response, response);
    response.body.destroy();
  }
});
