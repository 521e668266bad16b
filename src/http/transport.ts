/** The wire below http.ts: undici, its connections and its timers. Loaded with the first request. */
import { lookup } from "node:dns";
import { createRequire } from "node:module";
import type { LookupFunction } from "node:net";
import { createSecureContext, rootCertificates } from "node:tls";
import { setFlagsFromString } from "node:v8";
import type { Agent, Client, Dispatcher, Pool } from "undici";
import { isLoopback } from "../config/urls.ts";
import {
  type ClientFactory,
  clientFactory,
  type ExchangeOptions,
  poolFactory,
} from "./connection.ts";
import { CONNECT_TIMEOUT_MS, Exchange } from "./exchange.ts";
import type { HttpRequest, HttpResponse } from "./http.ts";
import { type TunnelTls, tunnelThrough } from "./tunnel.ts";

export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  /** See http.ts. */
  reconnect(): void;
  close(): Promise<void>;
}

/** Connections of one kind: to where a private CA counts, or through the proxy. */
interface Connections {
  options: Client.Options;
  /** Kept alive, for one request after the other. */
  agent: Agent;
}

export function createTransport(proxy: string | undefined): Transport {
  const { newAgent, newClient } = loadUndici();
  const kinds = new Map<string, Connections>();
  /** Each ends when its last request does. */
  const leaving = new Set<Dispatcher>();

  const connectionsFor = (url: URL, ca: string | undefined): Connections => {
    const through = proxy === undefined || isLoopback(url.hostname) ? undefined : proxy;
    const key = `${through === undefined ? "direct" : "proxied"} ${ca ?? ""}`;
    const known = kinds.get(key);
    if (known) return known;
    const options = clientOptions(ca, through);
    const connections = { options, agent: newAgent(options) };
    kinds.set(key, connections);
    return connections;
  };
  /** Takes no more requests, and closes its connections after those that it has. */
  const leave = (dispatcher: Dispatcher) => {
    leaving.add(dispatcher);
    const gone = () => void leaving.delete(dispatcher);
    dispatcher.close().then(gone, gone);
  };
  return {
    send(request) {
      const url = new URL(request.url);
      return new Promise((resolve, reject) => {
        const exchange = new Exchange(request, resolve, reject);
        if (exchange.settled) return;
        const { options, agent } = connectionsFor(url, request.ca);
        const client = request.freshConnection ? newClient(url.origin, options) : agent;
        client.dispatch(dispatchOptions(request, url, exchange), exchange);
        if (client !== agent) leave(client);
      });
    },
    reconnect() {
      for (const { agent } of kinds.values()) leave(agent);
      kinds.clear();
    },
    async close() {
      const agents = [...kinds.values()].map(({ agent }) => agent);
      await Promise.all([...agents, ...leaving].map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/**
 * Past undici's index, which would also load its fetch, WebSocket, caches and mocks: 40 ms and 8 MB.
 * Its parser of answers is WebAssembly: V8 would optimize that after the first answer, in a thread
 * whose 9 MB stay with the process; a head of 300 bytes is parsed in microseconds either way.
 */
function loadUndici(): { newAgent: (options: Client.Options) => Agent; newClient: ClientFactory } {
  setFlagsFromString("--wasm-tiering-budget=2000000000");
  const require = createRequire(import.meta.url);
  const AgentClass = require("undici/lib/dispatcher/agent.js") as typeof Agent;
  const newClient = clientFactory(require("undici/lib/dispatcher/client.js") as typeof Client);
  const factory = poolFactory(require("undici/lib/dispatcher/pool.js") as typeof Pool, newClient);
  const newAgent = (options: Client.Options) =>
    new AgentClass({ ...options, connections: 256, factory });
  return { newAgent, newClient };
}

function clientOptions(ca: string | undefined, proxy: string | undefined): Client.Options {
  // Made once: parsing 150 roots for each connection would take milliseconds.
  const secureContext = ca && createSecureContext({ ca: [...rootCertificates, ca] });
  const tls: TunnelTls = {
    // Said aloud: otherwise NODE_TLS_REJECT_UNAUTHORIZED decides.
    rejectUnauthorized: true,
    timeout: CONNECT_TIMEOUT_MS,
    ...(secureContext ? { secureContext } : {}),
  };
  return {
    connect: proxy === undefined ? { ...tls, lookup: resolve } : tunnelThrough(new URL(proxy), tls),
    autoSelectFamily: true,
    allowH2: false,
    pipelining: 1,
    // Under the 5 s after which Node's and uvicorn's servers close, unless the server says otherwise.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    // Exchange has its own: to the millisecond, and from the start on.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
}

/** `localhost` is the one name that plain http is sent to: whatever the resolver says, it is here. */
const resolve: LookupFunction = (name, options, done) => {
  if (name !== "localhost") return lookup(name, options, done);
  lookup(name, { ...options, all: true }, (error, found = []) => {
    const here = found.filter(({ address }) => isLoopback(address) || address === "::1");
    const [first] = here;
    if (error || !first) return done(error ?? elsewhere(), options.all ? [] : "", 0);
    if (options.all) done(null, here);
    else done(null, first.address, first.family);
  });
};

function elsewhere(): NodeJS.ErrnoException {
  const error = new Error("localhost is not this machine, says the resolver");
  return Object.assign(error, { code: "ENOTFOUND", syscall: "getaddrinfo" });
}

function dispatchOptions(request: HttpRequest, url: URL, exchange: Exchange): ExchangeOptions {
  const { method, headers, body } = request;
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method: method as Dispatcher.HttpMethod,
    headers,
    // Its types leave out what its documentation names: any iterable.
    body: (body ?? null) as Exclude<Dispatcher.DispatchOptions["body"], undefined>,
    // Says so to the server too (RFC 9112 section 9.6).
    ...(request.freshConnection ? { reset: true } : {}),
    exchange,
  };
}
