/**
 * What getToken is compared with: as little as Node can do to parse the same frame and stringify
 * the same answer. `batched` also puts the answers to a chunk of requests into one write. Whoever
 * would be connected beyond CONNECTIONS is dropped.
 *
 *   node bare-server.js SOCKET ANSWER_FILE [batched|each [CONNECTIONS]]
 */
import { readFileSync } from "node:fs";
import * as net from "node:net";
import { ready } from "./ready.ts";

const [path = "", answerFile = "", how = "each", connections] = process.argv.slice(2);
const batched = how === "batched";
const result = JSON.parse(readFileSync(answerFile, "utf8"));

const server = net.createServer((socket) => {
  let held: Buffer | undefined;
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    const bytes = held ? Buffer.concat([held, chunk]) : chunk;
    const cut = bytes[0] === 0x7b ? cutLine : cutFrame;
    let start = 0;
    let burst = "";
    for (let frame = cut(bytes, start); frame; frame = cut(bytes, start)) {
      start = frame.end;
      const { id } = JSON.parse(bytes.toString("utf8", frame.start, frame.end));
      const json = JSON.stringify({ jsonrpc: "2.0", id, result });
      const answer = cut === cutLine ? `${json}\n` : framed(json);
      if (batched) burst += answer;
      else socket.write(answer);
    }
    if (burst) socket.write(burst);
    held = start < bytes.length ? bytes.subarray(start) : undefined;
  });
});
if (connections !== undefined) server.maxConnections = Number(connections);
server.listen(path, () => ready());

function cutLine(bytes: Buffer, start: number) {
  const newline = bytes.indexOf(10, start);
  return newline === -1 ? undefined : { start, end: newline + 1 };
}

function cutFrame(bytes: Buffer, start: number) {
  const blank = bytes.indexOf("\r\n\r\n", start);
  if (blank === -1) return undefined;
  const length = Number(bytes.toString("latin1", start + "Content-Length: ".length, blank));
  const body = blank + 4;
  return body + length > bytes.length ? undefined : { start: body, end: body + length };
}

function framed(json: string): string {
  return `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`;
}
