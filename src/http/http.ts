import type { Readable } from "node:stream";
import type { Cancellation } from "../base/cancellation.ts";
import type { ClientCertificate } from "../grants/grant.ts";
import type { Connector } from "./connector.ts";
import type { Transport } from "./transport.ts";

/** A request to an issuer or an API. */
export interface HttpRequest {
  method: string;
  url: string | URL;
  headers: Record<string, string>;
  /** The body. For an iterable of known length, `headers` contains `content-length`. */
  body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** PEM text of the private CA to trust beside the system's. */
  ca?: string;
  /** Shown to the server (mutual TLS). */
  certificate?: ClientCertificate;
  /** Milliseconds to connect; 10 s unless given. */
  connectTimeoutMs?: number;
  /** Milliseconds until the response's head must have come. */
  timeoutMs?: number;
  /** Sends it on a connection that is opened for it and closed after its response. */
  freshConnection?: true;
  /** True if doing it twice does no harm: see `mayRepeat`. Absent: as HTTP defines for the method. */
  repeatable?: boolean;
  /** Aborts the request, and the body while it is being read. */
  signal?: Cancellation;
}

/** A response whose body has not been read. Redirects are not followed. */
export interface HttpResponse {
  status: number;
  statusText: string;
  /** Names in lower case; a repeated header is an array. */
  headers: Record<string, string | string[] | undefined>;
  /** The bytes as they came, still compressed. Read or destroy it, or its connection stays open. */
  readonly body: Readable;
  /** Returns the body at once if all of it has come and `body` was not asked for; then it needs no reading. */
  whole?(): Buffer | undefined;
  /** Identifies the connection: the same object for every response that came over it. */
  connection: object;
  /** True if the connection was open before this request was made. */
  reused: boolean;
}

/**
 * Sends one request, TLS verified always. Rejects with the transport's own error;
 * `neverSent` tells whether it is certain that nothing of the request left this machine.
 */
export type Http = (request: HttpRequest) => Promise<HttpResponse>;

interface FailureDetails {
  code: string;
  syscall?: string;
  sent: boolean;
  reused?: boolean;
  answered?: boolean;
}

/**
 * The error of a request without a response, or without all of it. `code` and `syscall` are Node's or
 * undici's. It has no cause: undici's errors can carry bytes of the response, and those can hold a token.
 */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly code: string;
  readonly syscall: string | undefined;
  /** False: it is certain that no byte of the request left this machine. */
  readonly sent: boolean;
  /** True if the connection was open before: its server may have closed it unheard. */
  readonly reused: boolean;
  /** True if a byte of a response came. */
  readonly answered: boolean;

  constructor(message: string, about: FailureDetails) {
    super(message);
    this.code = about.code;
    this.syscall = about.syscall;
    this.sent = about.sent;
    this.reused = about.reused ?? false;
    this.answered = about.answered ?? false;
  }
}

/** True if it is certain that nothing of the request left this machine. */
export function neverSent(error: unknown): boolean {
  return error instanceof HttpFailure && !error.sent;
}

/** True if a time limit was reached: authd's to connect or to respond, or the operating system's. */
export function timedOut(error: unknown): boolean {
  return error instanceof HttpFailure && TIMEOUTS.has(error.code);
}

const TIMEOUTS = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT",
]);
const BROKEN = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);
/** Safe methods (RFC 9110 section 9.2.1). */
export const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** Statuses of responses that redirect (RFC 9110 section 15.4). */
export const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface HttpOptions {
  /** The URL that everything but loopback and clouds' metadata services goes through. */
  proxy?: string;
  /** Opens the connections, in place of the network. */
  connect?: Connector;
}

interface Connections {
  /**
   * Sends later requests over new connections; those under way stay on theirs. While the machine slept,
   * servers closed connections that were kept alive, unheard here.
   */
  reconnect(): void;
  /** Aborts the requests under way, and closes every connection. */
  close(): Promise<void>;
}

/**
 * Creates a sender of requests over kept-alive connections, by HTTP/1.1, or by HTTP/2 where a server speaks
 * nothing else: no cookies, no redirects, no decompression. The environment's proxy variables are ignored. undici is
 * loaded with the first request.
 */
export function createHttp(options: HttpOptions = {}): Http & Connections {
  let loading: Promise<Transport> | undefined;
  let isClosed = false;

  const load = () => {
    loading ??= import("./transport.ts").then(({ createTransport }) => createTransport(options));
    return loading;
  };

  const http: Http = async (request) => {
    const transport = await load();
    if (isClosed)
      throw new HttpFailure("No requests any more.", { code: "ECANCELED", sent: false });
    const startedAt = performance.now();
    try {
      return await transport.send(request);
    } catch (error) {
      if (!mayRepeat(request, error)) throw error;
      const again: HttpRequest = { ...request, freshConnection: true };
      if (request.timeoutMs === undefined) return await transport.send(again);
      const timeoutMs = Math.max(1, request.timeoutMs - (performance.now() - startedAt));
      return await transport.send({ ...again, timeoutMs });
    }
  };
  return Object.assign(http, {
    reconnect() {
      loading?.then((transport) => transport.reconnect()).catch(() => {});
    },
    async close() {
      isClosed = true;
      await (await loading)?.close();
    },
  });
}

/**
 * True if a failed request may be sent once more, as a server may close a kept-alive connection at the moment
 * when it is used again: a safe request, and a repeatable one if a reused connection broke without a byte of
 * a response. Any other request might take effect twice.
 */
function mayRepeat({ method, signal, repeatable }: HttpRequest, error: unknown): boolean {
  if (signal?.aborted || !(error instanceof HttpFailure)) return false;
  if (!error.sent || !BROKEN.has(error.code)) return false;
  if (SAFE_METHODS.has(method)) return repeatable !== false;
  return repeatable === true && error.reused && !error.answered;
}
