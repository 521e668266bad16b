import type { Readable } from "node:stream";
import type { Transport } from "./transport.ts";

/** What is sent to an issuer or an API. */
export interface HttpRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** Its length, if that is known of an iterable, is in `headers`. */
  body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** PEM text of the private CA to trust beside the system's. */
  ca?: string;
  /** Milliseconds to connect; 10 s unless given. */
  connectTimeoutMs?: number;
  /** Milliseconds until the response's head must have come. */
  timeoutMs?: number;
  /** Sends it on a connection that is opened for it and closed after its answer. */
  freshConnection?: true;
  /** Whether doing it twice does no harm: see `mayRepeat`. Absent: as HTTP says of the method. */
  repeatable?: boolean;
  /** Aborts the request, and the body while it is being read. */
  signal?: AbortSignal;
}

/** A response whose body has not been read. Redirects are not followed. */
export interface HttpResponse {
  status: number;
  statusText: string;
  /** Names in lower case; a repeated header is an array. */
  headers: Record<string, string | string[] | undefined>;
  /** The bytes as they came: still compressed. Read it or destroy it, or its connection stays open. */
  body: Readable;
  /** Identifies the connection: the same object for every response that came over it. */
  connection: object;
  /** The connection was open before this request was made. */
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
 * Why there is no answer, or no more of it. `code` and `syscall` are Node's or undici's. It has no
 * cause: undici's errors can carry bytes of the answer, and those can hold a token.
 */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly code: string;
  readonly syscall: string | undefined;
  /** False: it is certain that no byte of the request left this machine. */
  readonly sent: boolean;
  /** The request went over a connection that was open before: its server may have closed it unheard. */
  readonly reused: boolean;
  /** Some byte of an answer came. */
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

/** The `code` for a server that sends interim answers (1xx) without end. */
export const TOO_MANY_INTERIM_ANSWERS = "ERR_TOO_MANY_INTERIM_ANSWERS";

export function neverSent(error: unknown): boolean {
  return error instanceof HttpFailure && !error.sent;
}

/** Whether a time limit ran out: ours to connect or to answer, or the operating system's. */
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
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

interface Connections {
  /**
   * Requests from now on go over new connections, those under way stay on theirs. While the machine
   * slept, servers closed what was kept alive, and nothing here heard of it.
   */
  reconnect(): void;
  /** Ends what is under way, and closes every connection. */
  close(): Promise<void>;
}

/**
 * HTTP/1.1 over kept-alive connections: no cookies, no redirects, no decompression. `proxy` is the
 * URL that everything but loopback goes through; the environment's proxy variables count for nothing.
 * undici is loaded with the first request.
 */
export function createHttp(options: { proxy?: string } = {}): Http & Connections {
  let loading: Promise<Transport> | undefined;
  let closed = false;

  const http: Http = async (request) => {
    loading ??= import("./transport.ts").then(({ createTransport }) =>
      createTransport(options.proxy),
    );
    const transport = await loading;
    if (closed) throw new HttpFailure("No requests any more.", { code: "ECANCELED", sent: false });
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
      // If it can't be loaded, the requests say so.
      loading?.then((transport) => transport.reconnect()).catch(() => {});
    },
    async close() {
      closed = true;
      await (await loading)?.close();
    },
  });
}

/**
 * A server may close a kept-alive connection at the very moment when it is used again. A safe request
 * (RFC 9110 section 9.2.1) is sent once more on a new connection, and so is a repeatable one if the
 * connection was a reused one that broke without a byte of an answer. Anything else might be done twice.
 */
function mayRepeat({ method, signal, repeatable }: HttpRequest, error: unknown): boolean {
  if (signal?.aborted || !(error instanceof HttpFailure)) return false;
  if (!error.sent || !BROKEN.has(error.code)) return false;
  if (SAFE.has(method)) return repeatable !== false;
  return repeatable === true && error.reused && !error.answered;
}
