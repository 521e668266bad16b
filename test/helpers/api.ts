import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Certificate } from "./certificates.ts";
import type { Scope } from "./scope.ts";
import { until } from "./until.ts";

/** A request as the server saw it. */
interface RecordedRequest {
  method: string;
  url: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export type Handler = (request: RecordedRequest, response: http.ServerResponse) => unknown;

/** A real server on loopback that notes what it was sent. */
export interface Api {
  /** Such as http://127.0.0.1:4711. */
  origin: string;
  port: number;
  seen: RecordedRequest[];
  sockets: Set<Socket>;
  /** Connections since the start. */
  connections: number;
  server: http.Server;
}

/** Listens until the test ends; over TLS with `certificate`. */
export async function startApi(
  t: Scope,
  handler: Handler,
  certificate?: Certificate,
): Promise<Api> {
  const seen: RecordedRequest[] = [];
  const sockets = new Set<Socket>();
  const onRequest: http.RequestListener = async (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    await once(request, "end").catch(() => {});
    const { method = "", url = "", headers } = request;
    const entry = { method, url, headers, body: Buffer.concat(parts) };
    seen.push(entry);
    await handler(entry, response);
  };
  const server = certificate
    ? https.createServer(certificate, onRequest)
    : http.createServer(onRequest);
  const api: Api = { origin: "", port: 0, seen, sockets, connections: 0, server };
  server.on("connection", (socket: Socket) => {
    api.connections++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  api.port = (server.address() as AddressInfo).port;
  api.origin = `${certificate ? "https" : "http"}://127.0.0.1:${api.port}`;
  return api;
}

/** Resolves when no client is connected any more, in whatever way they left. */
export async function allClosed({ sockets }: Api): Promise<void> {
  await until(() => sockets.size === 0);
}
