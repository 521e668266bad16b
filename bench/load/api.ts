/**
 * An API for heavy traffic: /small at once, /slow after 2 s, /bytes/N with a length, /chunks/N
 * without one. Tells its origin.
 */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline, Readable } from "node:stream";
import { ready } from "../helpers/ready.ts";

const SLOW_MS = 2_000;
const CHUNK = Buffer.alloc(64 * 1024, "some text of an answer, over and over again. ");

const server = http.createServer((request, response) => {
  const [, kind, count] = (request.url ?? "").split("/");
  request.resume();
  response.on("error", () => {});
  if (kind === "slow") setTimeout(() => response.end('{"ok":true}'), SLOW_MS);
  else if (kind === "bytes" || kind === "chunks") {
    const bytes = Number(count);
    if (kind === "bytes") response.setHeader("content-length", bytes);
    pipeline(Readable.from(chunksOf(bytes), { highWaterMark: 1 }), response, () => {});
  } else response.end('{"ok":true}');
});

function* chunksOf(bytes: number) {
  for (let left = bytes; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, left);
}

server.listen(0, "127.0.0.1", 4096, () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
