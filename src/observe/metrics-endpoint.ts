import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { answerFew } from "../base/answer-few.ts";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { messageOf } from "../errors.ts";
import type { HealthResult, Outlet } from "../protocol.ts";

/** After this (ms) a port that could not be had is tried again. */
const RETRY_MS = 30_000;
/** Prometheus and a person with curl, and no more. */
const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 5_000;
/** Node looks for requests that take too long every 30 s by itself. */
const TIMEOUT_CHECK_MS = 1_000;
/** The text of the metrics is kept so many times as long as it took to make it. */
const KEPT = 9;

const PATHS = ["/metrics", "/livez", "/readyz"];

export interface EndpointOptions {
  host: string;
  port: number;
  contentType: string;
  text: () => Promise<string>;
  health: () => HealthResult;
  log: Log;
}

/** `GET` of `/metrics`, `/livez` and `/readyz` on loopback, and nothing else. */
export class MetricsEndpoint {
  readonly #options: EndpointOptions;
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #error: string | undefined;
  #closed = false;
  /** `until` is of the monotonic clock, ms. */
  #made: { text: Promise<string>; until: number } | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  get report(): Outlet {
    const { host, port } = this.#options;
    const to = `http://${host.includes(":") ? `[${host}]` : host}:${port}/metrics`;
    return { to, ...omitUndefined({ error: this.#error }) };
  }

  /** Resolves when it listens, or can't for now: then it is tried again. */
  async start(): Promise<void> {
    const { createServer } = await import("node:http");
    const { host, port, log } = this.#options;
    const server = createServer({
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    });
    answerFew(server, MAX_CONNECTIONS, (request, response) => this.#answer(request, response));
    // A thousand that come in one piece would all be begun before the first is answered.
    server.maxRequestsPerSocket = 1;
    // Open requests do not keep the daemon from ending.
    server.unref();
    this.#server = server;
    await new Promise<void>((resolve) => {
      server.on("error", (error) => {
        const message = messageOf(error);
        if (message !== this.#error) log.error({}, `metrics_listen does not work: ${message}`);
        this.#error = message;
        if (!this.#closed) this.#timer = setTimeout(() => void this.start(), RETRY_MS).unref();
        resolve();
      });
      server.listen({ host, port, exclusive: true }, () => {
        this.#error = undefined;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const server = this.#server;
    if (!server?.listening) return;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }

  /**
   * Made once for all who ask at the same time, and not all the time: everybody on this machine may
   * ask, and with 10,000 credentials it takes some tenths of a second.
   */
  #text(): Promise<string> {
    const begun = performance.now();
    if (this.#made && begun < this.#made.until) return this.#made.text;
    const made = { text: this.#options.text(), until: Number.POSITIVE_INFINITY };
    const done = () => {
      const now = performance.now();
      made.until = now + KEPT * (now - begun);
    };
    made.text.then(done, done);
    this.#made = made;
    return made.text;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { contentType } = this.#options;
    const end = (status: number, body: string, headers = {}) => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    // A web page that had its name point here (DNS rebinding) is not to read who has which credentials.
    if (!isLoopbackName(request.headers.host)) return end(403, "Ask by a loopback address.\n");
    const path = request.url?.replace(/\?.*$/, "") ?? "";
    if (!PATHS.includes(path)) return end(404, `There is ${PATHS.join(", ")}.\n`);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return end(405, "GET it.\n", { allow: "GET, HEAD" });
    }
    if (path === "/livez") return end(200, "ok\n");
    if (path === "/readyz") return end(...readiness(this.#options.health()));
    try {
      end(200, await this.#text(), { "content-type": contentType });
    } catch (error) {
      this.#options.log.error({}, `the metrics could not be made: ${messageOf(error)}`);
      end(500, "The daemon's log says more.\n");
    }
  }
}

/** Everybody on this machine may ask, so that reasons are not told: `authd health` has them. */
function readiness({ ready, checks }: HealthResult): [number, string] {
  const lines = checks.map(({ name, ok }) => `${name} ${ok ? "ok" : "failed"}\n`);
  return [ready ? 200 : 503, lines.join("")];
}

function isLoopbackName(host: string | undefined): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host ?? "");
}
