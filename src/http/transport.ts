/** The wire below http.ts: undici, its connections and its timers. Loaded with the first request. */
import { lookup } from "node:dns";
import { createRequire } from "node:module";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { createSecureContext, rootCertificates } from "node:tls";
import { setFlagsFromString } from "node:v8";
import type { Agent, Dispatcher } from "undici";
import { isLoopback } from "../config/urls.ts";
import { HttpFailure, type HttpRequest, type HttpResponse } from "../http.ts";
import { type TunnelTls, tunnelThrough } from "./tunnel.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** Milliseconds; Node takes longer ones for 1. */
const LONGEST_TIMER = 2 ** 31 - 1;

export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  /** See http.ts. */
  reconnect(): void;
  close(): Promise<void>;
}

/** One pool of connections for each private CA, and for what goes through the proxy. */
export function createTransport(proxy: string | undefined): Transport {
  const AgentClass = loadAgent();
  const agents = new Map<string, Agent>();
  /** Ends when its last request does. */
  const leaving = new Set<Agent>();

  const agentFor = (url: URL, ca: string | undefined): Agent => {
    const through = proxy === undefined || isLoopback(url.hostname) ? undefined : proxy;
    const key = `${through === undefined ? "direct" : "proxied"} ${ca ?? ""}`;
    const known = agents.get(key);
    if (known) return known;
    const agent = new AgentClass(agentOptions(ca, through));
    agents.set(key, agent);
    return agent;
  };
  return {
    send(request) {
      const url = new URL(request.url);
      return new Promise((resolve, reject) => {
        const exchange = new Exchange(request, resolve, reject);
        if (!exchange.settled)
          agentFor(url, request.ca).dispatch(dispatchOptions(request, url), exchange);
      });
    },
    reconnect() {
      for (const agent of agents.values()) {
        leaving.add(agent);
        const gone = () => void leaving.delete(agent);
        agent.close().then(gone, gone);
      }
      agents.clear();
    },
    async close() {
      await Promise.all([...agents.values(), ...leaving].map((agent) => agent.destroy()));
    },
  };
}

/**
 * Past undici's index, which would also load its fetch, WebSocket, caches and mocks: 40 ms and 8 MB.
 * Its parser of answers is WebAssembly: V8 would optimize that after the first answer, in a thread
 * whose 9 MB stay with the process; a head of 300 bytes is parsed in microseconds either way.
 */
function loadAgent(): typeof Agent {
  setFlagsFromString("--wasm-tiering-budget=2000000000");
  return createRequire(import.meta.url)("undici/lib/dispatcher/agent.js") as typeof Agent;
}

function agentOptions(ca: string | undefined, proxy: string | undefined): Agent.Options {
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
    connections: 256,
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

function dispatchOptions(request: HttpRequest, url: URL): Dispatcher.DispatchOptions {
  const { method, headers, body } = request;
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method: method as Dispatcher.HttpMethod,
    headers,
    body: body ?? null,
  };
}

/** One request and its answer: what undici calls, while time limits and the caller's signal run. */
class Exchange implements Dispatcher.DispatchHandler {
  settled = false;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (failure: HttpFailure) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  /** On performance.now()'s clock. */
  readonly #connectBy: number;
  readonly #answerBy: number;
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #body: Readable | undefined;
  #sent = false;

  constructor(
    { signal, timeoutMs = Number.POSITIVE_INFINITY, connectTimeoutMs }: HttpRequest,
    resolve: (response: HttpResponse) => void,
    reject: (failure: HttpFailure) => void,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#onAbort = () => this.#fail("The request was taken back.", "ABORT_ERR");
    const now = performance.now();
    this.#connectBy = now + (connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    this.#answerBy = now + timeoutMs;
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#await(Math.min(this.#connectBy, this.#answerBy), now);
  }

  /** One timer for both limits, as hardly any request reaches the first. */
  #await(deadline: number, now: number): void {
    const ms = Math.min(Math.max(1, Math.ceil(deadline - now)), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      const later = performance.now();
      const over = later >= this.#answerBy;
      if (!this.#sent && (over || later >= this.#connectBy)) {
        this.#fail("No connection in time.", "UND_ERR_CONNECT_TIMEOUT");
      } else if (over) {
        this.#fail("No answer in time.", "UND_ERR_HEADERS_TIMEOUT");
      } else {
        this.#await(this.#sent ? this.#answerBy : Math.min(this.#connectBy, this.#answerBy), later);
      }
    }, ms);
  }

  /** The connection is there and the request about to be written. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.settled) {
      controller.abort(new Error("taken back"));
      return;
    }
    this.#controller = controller;
    this.#sent = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpResponse["headers"],
    statusText = "",
  ): void {
    if (status < 200) return;
    clearTimeout(this.#timer);
    this.settled = true;
    const body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => controller.resume(),
      destroy: (error, done) => {
        this.#release();
        if (!body.readableEnded) controller.abort(error ?? new Error("not wanted any more"));
        done(error);
      },
    });
    // An answer can break before its reader has taken hold of it; that must not end the process.
    body.on("error", () => {});
    this.#body = body;
    this.#resolve({ status, statusText, headers, body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#release();
    this.#body?.push(null);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const known = innermost(error);
    this.#fail(known.message, known.code ?? "UNKNOWN", known.syscall);
  }

  #fail(message: string, code: string, syscall?: string): void {
    const about = { code, sent: this.#sent, ...(syscall === undefined ? {} : { syscall }) };
    const failure = new HttpFailure(message, about);
    clearTimeout(this.#timer);
    this.#release();
    if (this.#body) this.#body.destroy(failure);
    else if (!this.settled) {
      this.settled = true;
      this.#reject(failure);
      this.#controller?.abort(failure);
    }
  }

  #release(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** Of several addresses that were tried, the first one's error. */
function innermost(error: Error): NodeJS.ErrnoException {
  return error instanceof AggregateError && error.errors[0] instanceof Error
    ? innermost(error.errors[0])
    : error;
}
