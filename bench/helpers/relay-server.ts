/**
 * As little as Node and undici can do to pass requests on: what any daemon in between costs.
 * Answers in the base protocol: small answers as one message, with `stream` in base64 chunks. Takes one body
 * a connection at a time in base64 chunks, as `request/open` and `request/chunk` send it.
 *
 *   node relay-server.js SOCKET
 */
import * as http from "node:http";
import * as net from "node:net";
import { request } from "undici";
import { FrameParser, frame } from "../../src/rpc/frame-parser.ts";
import { directly } from "./direct.ts";
import { ready } from "./ready.ts";

interface Message {
  id: number;
  method: string;
  params: { url: string; stream?: boolean; data?: string; last?: boolean };
}

const agent = new http.Agent({ keepAlive: true });
const direct = directly();

const server = net.createServer((socket) => {
  const send = (message: object) => {
    const json = JSON.stringify({ jsonrpc: "2.0", ...message });
    return socket.write(frame("base", json, Buffer.byteLength(json)));
  };
  const answer = async ({ id, params: { url } }: Message) => {
    const { statusCode, headers, body } = await request(url, direct);
    send({ id, result: { status: statusCode, headers, body: await body.text() } });
  };
  const stream = ({ id, params: { url } }: Message) =>
    http.get(url, { agent, headers: direct.headers }, (response) => {
      response.on("data", (chunk: Buffer) => {
        const data = chunk.toString("base64");
        if (send({ method: "response/chunk", params: { id, data } })) return;
        response.pause();
        socket.once("drain", () => response.resume());
      });
      response.on("end", () => send({ id, result: {} }));
    });
  let upload: http.ClientRequest | undefined;
  let untaken: number[] = [];
  const taken = () => {
    for (const id of untaken) send({ id, result: {} });
    untaken = [];
  };
  const open = ({ id, params: { url } }: Message) => {
    upload = http.request(url, { agent, method: "PUT", headers: direct.headers });
    upload.on("drain", taken);
    send({ id, result: { upload: "only" } });
  };
  const chunk = ({ id, params: { data = "", last } }: Message) => {
    const bytes = Buffer.from(data, "base64");
    if (!last) {
      untaken.push(id);
      if (upload!.write(bytes)) taken();
      return;
    }
    upload!.end(bytes).once("response", (response) => {
      response.resume().once("end", () => {
        taken();
        send({ id, result: { status: response.statusCode } });
      });
    });
  };
  const parser = new FrameParser(1024 * 1024, (body) => {
    const message = JSON.parse(body.toString()) as Message;
    if (message.method === "request/open") open(message);
    else if (message.method === "request/chunk") chunk(message);
    else if (message.params.stream) stream(message);
    else void answer(message);
  });
  socket.on("error", () => {}).on("data", (chunk) => parser.push(chunk));
});
server.listen(process.argv[2], () => ready());
