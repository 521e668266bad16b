/** Sends requests with undici. Loaded with the first request. */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { createSecureContext, rootCertificates } from "node:tls";
import { setFlagsFromString } from "node:v8";
import type { Agent, buildConnector, Client, Dispatcher, Pool } from "undici";
import { isLoopback, isMetadataService } from "../base/loopback.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { ClientCertificate } from "../grants/grant.ts";
import {
  type ClientFactory,
  type ClientOptions,
  clientFactory,
  type DispatchOptions,
  poolFactory,
} from "./connection.ts";
import { createConnector } from "./connector.ts";
import { MAX_HEAD_BYTES } from "./head-filter.ts";
import type { HttpOptions, HttpRequest, HttpResponse } from "./http.ts";
import { CONNECT_TIMEOUT_MS, ResponseHandler } from "./response-handler.ts";
import type { TunnelTls } from "./tunnel.ts";

export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Sends later requests over new connections: see http.ts. */
  reconnect(): void;
  close(): Promise<void>;
}

/** Connections that share options: a private CA, or the proxy. */
interface Connections {
  options: ClientOptions;
  /** Keeps connections alive for later requests. */
  agent: Agent;
}

export function createTransport({ proxy, connect }: HttpOptions): Transport {
  const { newAgent, newClient, newConnector } = loadUndici();
  /** Connections by proxy, CA and client certificate. */
  const connections = new Map<string, Connections>();
  /** Dispatchers that take no more requests and close with the last one that they have. */
  const closing = new Set<Dispatcher>();

  const connectionsFor = (url: URL, { ca, certificate }: HttpRequest): Connections => {
    const isHere = isLoopback(url.hostname) || isMetadataService(url.hostname);
    const usedProxy = isHere ? undefined : proxy;
    const key = `${usedProxy === undefined ? "direct" : "proxied"} ${ca ?? ""} ${certificate ? digestOf(certificate) : ""}`;
    const known = connections.get(key);
    if (known) return known;
    const options = clientOptions(connect ?? newConnector(usedProxy, tlsOptions(ca, certificate)));
    const created = { options, agent: newAgent(options) };
    connections.set(key, created);
    return created;
  };
  const closeWhenIdle = (dispatcher: Dispatcher) => {
    closing.add(dispatcher);
    const onClosed = () => void closing.delete(dispatcher);
    dispatcher.close().then(onClosed, onClosed);
  };
  return {
    send(request) {
      const url = typeof request.url === "string" ? new URL(request.url) : request.url;
      return new Promise((resolve, reject) => {
        const handler = new ResponseHandler(request, resolve, reject);
        if (handler.isSettled) return;
        const { options, agent } = connectionsFor(url, request);
        const client = request.freshConnection ? newClient(url.origin, options) : agent;
        client.dispatch(dispatchOptions(request, url, handler), handler);
        if (client !== agent) closeWhenIdle(client);
      });
    },
    reconnect() {
      for (const { agent } of connections.values()) closeWhenIdle(agent);
      connections.clear();
    },
    async close() {
      const agents = [...connections.values()].map(({ agent }) => agent);
      await Promise.all([...agents, ...closing].map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/**
 * Loads undici without its index, which would also load its fetch, WebSocket, caches and mocks: 40 ms and
 * 8 MB. Its parser is WebAssembly, which V8 would optimize after the first response, in a thread whose 9 MB
 * stay with the process; a head of 300 bytes is parsed in microseconds either way.
 */
function loadUndici(): Undici {
  setFlagsFromString("--wasm-tiering-budget=2000000000");
  const require = createRequire(import.meta.url);
  const AgentClass = require("undici/lib/dispatcher/agent.js") as typeof Agent;
  const ClientClass = require("undici/lib/dispatcher/client.js") as typeof Client;
  const build = require("undici/lib/core/connect.js") as typeof buildConnector;
  const { kParser } = require("undici/lib/core/symbols.js") as { kParser: symbol };
  const newClient = clientFactory(ClientClass, (socket) => relaxChunks(socket, kParser));
  const factory = poolFactory(require("undici/lib/dispatcher/pool.js") as typeof Pool, newClient);
  const newAgent = (options: ClientOptions) =>
    new AgentClass({ ...options, connections: 256, factory });
  return { newAgent, newClient, newConnector: (proxy, tls) => createConnector(build, proxy, tls) };
}

interface Undici {
  newAgent: (options: ClientOptions) => Agent;
  newClient: ClientFactory;
  newConnector: (proxy: string | undefined, tls: TunnelTls) => ClientOptions["connect"];
}

/** undici's parser of one connection, as far as it is needed. */
interface Parser {
  ptr: number;
  llhttp: { llhttp_set_lenient_spaces_after_chunk_size: (parser: number, isOn: 0 | 1) => void };
}

/**
 * Takes spaces after the size of a chunk, with which old servers fill its line. The parser's other lenient
 * options stay off: HeadFilter does the same for heads and knows what is safe, and without CR in the lines of
 * chunks the parser would swallow the first LF of a chunk's data.
 */
function relaxChunks(socket: Socket, kParser: symbol): void {
  // Without a parser the client was closed while it connected.
  const parser = (socket as unknown as Record<symbol, Parser | undefined>)[kParser];
  parser?.llhttp.llhttp_set_lenient_spaces_after_chunk_size(parser.ptr, 1);
}

/** Returns a certificate's digest, so that connections that show it serve nobody else. */
function digestOf({ cert, pfx, passphrase }: ClientCertificate): string {
  const parts = [cert, pfx?.toString("base64"), passphrase];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}

function tlsOptions(ca: string | undefined, certificate: ClientCertificate | undefined): TunnelTls {
  // Created once: parsing 150 roots for each connection would take milliseconds.
  const roots = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
  const secureContext =
    (ca ?? certificate) === undefined
      ? undefined
      : createSecureContext({ ...roots, ...certificate });
  return {
    // Stated, as otherwise NODE_TLS_REJECT_UNAUTHORIZED decides.
    rejectUnauthorized: true,
    timeout: CONNECT_TIMEOUT_MS,
    ...omitUndefined({ secureContext }),
  };
}

function clientOptions(connect: ClientOptions["connect"]): ClientOptions {
  return {
    connect,
    // HTTP/2 streams included: one request at a time on a connection.
    pipelining: 1,
    // HeadFilter counts all bytes of a head; undici names and values only.
    maxHeaderSize: MAX_HEAD_BYTES,
    // Under the 5 s after which Node's and uvicorn's servers close, unless the server says otherwise.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    // ResponseHandler has its own: to the millisecond, and from the start on.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
}

function dispatchOptions(
  request: HttpRequest,
  url: URL,
  responseHandler: ResponseHandler,
): DispatchOptions {
  const { method, headers, body } = request;
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method: method as Dispatcher.HttpMethod,
    headers,
    // Its types leave out what its documentation names: any iterable.
    body: (body ?? null) as Exclude<Dispatcher.DispatchOptions["body"], undefined>,
    // Sends `Connection: close` (RFC 9112 section 9.6), but not with a body in parts: a server that is told so
    // closes when it has answered, and the rest of the body would meet a reset, which can cost the answer.
    ...(request.freshConnection && !isIterable(body) ? { reset: true } : {}),
    responseHandler,
  };
}

const isIterable = (body: HttpRequest["body"]) =>
  typeof body === "object" && Symbol.asyncIterator in body;
