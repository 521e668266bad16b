/**
 * An API with a small JSON answer, at /later the same after a while, and at /big one of 10 MiB. Of a PUT it
 * answers the number of bytes. Tells its origin.
 */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { ready } from "./ready.ts";

/** About what an API takes that asks a database. */
const WORK_MS = 5;
const small = JSON.stringify({ items: Array.from({ length: 20 }, (_, id) => ({ id, ok: true })) });
const big = Buffer.alloc(10 * 1024 * 1024, "some text of an answer, over and over again. ");

const server = http.createServer((request, response) => {
  if (!request.headers.authorization?.startsWith("Bearer ")) {
    response.writeHead(401).end();
    return;
  }
  response.setHeader("content-type", "application/json");
  if (request.method === "PUT") {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.once("end", () => response.end(`${bytes}`));
    return;
  }
  if (request.url === "/later") setTimeout(() => response.end(small), WORK_MS);
  else response.end(request.url === "/big" ? big : small);
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
