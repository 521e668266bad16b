import { RETRY_AFTER_MS, type ResponseReservation } from "../base/memory-budget.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import {
  collect,
  decodeBody,
  drain,
  encodeForJson,
  FREE_BYTES,
  TooLarge,
  UnusableContent,
} from "../http/content.ts";
import {
  type Http,
  HttpFailure,
  type HttpRequest,
  type HttpResponse,
  neverSent,
  timedOut,
} from "../http/http.ts";
import { explainNetworkError, isUnknownHost } from "../http/transport-error.ts";
import {
  type AuthorizedResponse,
  DEFAULT_MAX_RESPONSE_BYTES,
  DEFAULT_TIMEOUT_MS,
  type GetTokenResult,
  type ParamsOf,
} from "../protocol.ts";
import { redirected } from "./redirect.ts";
import { UploadBody } from "./upload-body.ts";
import { checkRequest, type ValidatedRequest } from "./validate-request.ts";

/** Bytes, whatever the caller asks for: to make one JSON of a longer body would hold everybody up. */
export const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;
const MAX_REDIRECTS = 10;
const MAX_CONNECT_MS = 10_000;

/** A token as it goes out. */
export interface Issued {
  readonly accessToken: string;
  /** Frozen; its headers are in lower case, ready to send. */
  readonly answer: GetTokenResult;
}

interface Want {
  /** Milliseconds. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** What an authorized request needs of a credential. */
export interface RequestCredential {
  readonly name: string;
  readonly settings: CredentialSettings;
  /** Rejects or throws with an AuthdError. */
  token(want: Want): Issued | Promise<Issued>;
  /** This origin took the token. */
  recordAccepted(origin: string, issued: Issued): void;
  /**
   * After a 401: what to repeat the request with, or undefined if the 401 is the caller's answer.
   * `challenge` is the answer's WWW-Authenticate.
   */
  refreshAfter401(
    origin: string,
    issued: Issued,
    challenge: string | undefined,
    want: Want,
  ): Promise<Issued | undefined>;
}

/** An answer without its body. */
export type ResponseHead = Pick<AuthorizedResponse, "status" | "statusText" | "url" | "headers">;

/** Where a streamed answer goes. Nothing more is read from the API while a promise is pending. */
export interface RequestSink {
  head(head: ResponseHead): Promise<void>;
  chunk(data: Buffer): Promise<void>;
  /** How much of the body has gone there. */
  readonly sent: { readonly bytes: number; readonly chunks: number };
}

/** Whether a redirect may be followed: the rule that let a request pass may not reach so far. */
type Reaches = (method: string, path: string) => boolean;

export interface RequestOptions {
  /** Asked before anything is sent; throws or rejects if the caller may not send this. */
  admit?: (request: ValidatedRequest) => Reaches | Promise<Reaches>;
  /** The caller's cancellation; a reason that is an AuthdError is what the caller gets. */
  signal: AbortSignal;
  /** Told of each token that is sent. */
  sends?: (issued: Issued) => void;
  /** Where the answer is accounted for before it is read; without it, nowhere. */
  room?: ResponseReservation;
  /** Given: the answer goes there, and the result has no body. */
  stream?: RequestSink;
  /** The body, if it comes in parts. */
  upload?: UploadBody;
}

/**
 * Sends a request with the credential's token to one of its origins; on 401 renews and repeats once.
 * `timeoutMs` covers everything, the wait for a token and the answer's body included; of a streamed
 * answer everything up to its head, then each silence of the API; an upload adds what Upload limits.
 * Throws AuthdError.
 */
export async function authorizedRequest(
  credential: RequestCredential,
  http: Http,
  params: ParamsOf<"authorizedRequest">,
  options: RequestOptions,
): Promise<AuthorizedResponse> {
  const request = checkRequest(params, credential.settings, options.upload);
  const admitted = options.admit?.(request);
  const reaches = admitted instanceof Promise ? await admitted : admitted;
  const exchange = new AuthorizedRequest(credential, http, request, params, options, reaches);
  try {
    const response = await exchange.send();
    return await (options.stream
      ? exchange.pass(response, options.stream)
      : exchange.read(response, options.room));
  } catch (error) {
    throw exchange.explain(error);
  }
}

/** One authorized request on its way: where it is by now, and with which token. */
class AuthorizedRequest {
  readonly #credential: RequestCredential;
  /** As they were when the request was checked: what changes meanwhile is for later ones. */
  readonly #settings: CredentialSettings;
  readonly #http: Http;
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number;
  /** An upload's begins anew with the head of each answer. */
  #deadline: number;
  readonly #maxBytes: number;
  readonly #reaches: Reaches;
  readonly #sends: RequestOptions["sends"];
  readonly #upload: UploadBody | undefined;
  /** Redirects change it. */
  #request: ValidatedRequest;
  #refreshed = false;

  constructor(
    credential: RequestCredential,
    http: Http,
    request: ValidatedRequest,
    { timeoutMs, maxResponseBytes }: ParamsOf<"authorizedRequest">,
    { signal, sends, upload }: RequestOptions,
    reaches: Reaches = () => true,
  ) {
    this.#reaches = reaches;
    this.#sends = sends;
    this.#upload = upload;
    this.#credential = credential;
    this.#settings = credential.settings;
    this.#http = http;
    this.#request = request;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#deadline = performance.now() + this.#timeoutMs;
    this.#maxBytes = Math.min(maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES, MAX_RESPONSE_BYTES);
  }

  /** The final answer's head: after redirects inside the origins, and after the repeat on 401. */
  async send(): Promise<HttpResponse> {
    let issued = await this.#credential.token(this.#want());
    for (let redirects = 0; ; ) {
      const response = await this.#sendOnce(issued);
      const renewed = response.status === 401 ? await this.#renew(response, issued) : undefined;
      if (renewed) {
        issued = renewed;
      } else {
        const next = this.#redirected(response);
        if (!next) return this.#answered(response, issued);
        if (++redirects > MAX_REDIRECTS) {
          response.body.destroy();
          throw new UnusableContent(`redirects more than ${MAX_REDIRECTS} times`);
        }
        this.#request = next;
        if (next.body) this.#upload?.rewind();
        else this.#upload?.close();
      }
      drain(response.body);
    }
  }

  /** Undefined if the answer is for the caller. */
  #redirected(response: HttpResponse): ValidatedRequest | undefined {
    const next = redirected(this.#request, response, this.#settings);
    if (!next || !this.#reaches(next.method, next.url.pathname)) return undefined;
    return this.#isSendable(next) ? next : undefined;
  }

  async #sendOnce(issued: Issued): Promise<HttpResponse> {
    const { answer } = issued;
    this.#sends?.(issued);
    const { url, method, headers, body } = this.#request;
    const { ca } = this.#settings;
    const about = {
      method,
      url: url.href,
      headers: { ...headers, ...answer.headers },
      ...(ca === undefined ? {} : { ca }),
    };
    if (body instanceof UploadBody) return await this.#sendUpload(about, body);
    return await this.#http({ ...about, ...(body === undefined ? {} : { body }), ...this.#want() });
  }

  /** On a connection of its own: none that its server may just be closing, and none that others wait for. */
  async #sendUpload(about: HttpRequest, body: UploadBody): Promise<HttpResponse> {
    const length = body.bytes === undefined ? {} : { "content-length": String(body.bytes) };
    const response = await this.#http({
      ...about,
      headers: { ...about.headers, ...length },
      body: body.parts(),
      freshConnection: true,
      repeatable: false,
      connectTimeoutMs: Math.min(this.#left(), MAX_CONNECT_MS),
      signal: this.#signal,
    });
    body.answered();
    this.#deadline = performance.now() + this.#timeoutMs;
    return response;
  }

  /** False if it has a body of which the beginning is no longer kept. */
  #isSendable({ body }: ValidatedRequest): boolean {
    return !(body instanceof UploadBody) || body.isReplayable;
  }

  async #renew({ headers }: HttpResponse, issued: Issued): Promise<Issued | undefined> {
    if (this.#refreshed || !this.#isSendable(this.#request)) return undefined;
    const challenge = [headers["www-authenticate"] ?? []].flat().join(", ");
    this.#upload?.hold();
    const renewed = await this.#credential.refreshAfter401(
      this.#request.url.origin,
      issued,
      challenge === "" ? undefined : challenge,
      this.#want(),
    );
    this.#refreshed = renewed !== undefined;
    if (renewed) this.#upload?.rewind();
    else this.#upload?.resume();
    return renewed;
  }

  #answered(response: HttpResponse, issued: Issued): HttpResponse {
    if (tokenWasAccepted(response.status)) {
      this.#credential.recordAccepted(this.#request.url.origin, issued);
    }
    return response;
  }

  /** The answer with its body in it. A large one is read when there is room for all of it. */
  async read(response: HttpResponse, room?: ResponseReservation): Promise<AuthorizedResponse> {
    const { headers, chunks } = decodeBody(response, this.#hasBody(response));
    const length = this.#hasBody(response) ? headers["content-length"] : 0;
    // Unknown if it isn't told, and if the body was compressed.
    const most = length === undefined ? this.#maxBytes : Number(length);
    let timer: NodeJS.Timeout | undefined;
    let waiting = false;
    const late = new Promise<never>((_, reject) => {
      const look = () => {
        if (this.#isUploading) timer = setTimeout(look, this.#timeoutMs);
        else reject(waiting ? noRoom(this.#credential) : tooSlow());
      };
      timer = setTimeout(look, this.#left());
    });
    const whenRoom = () => {
      const granted = room?.reserve(most);
      waiting = granted !== undefined;
      return granted?.then(() => {
        waiting = false;
      });
    };
    try {
      if (most > this.#maxBytes) throw new TooLarge();
      if (most > FREE_BYTES && length !== undefined) await Promise.race([whenRoom(), late]);
      const bytes = await Promise.race([collect(chunks, this.#maxBytes, whenRoom), late]);
      room?.keep(bytes.length > FREE_BYTES ? bytes.length : 0);
      return {
        ...this.#head(response, headers),
        ...encodeForJson(bytes),
        refreshed: this.#refreshed,
      };
    } finally {
      clearTimeout(timer);
      response.body.destroy();
    }
  }

  /** Passes the answer on as it comes; a slow reader's pauses are not the API's silence. */
  async pass(response: HttpResponse, sink: RequestSink): Promise<AuthorizedResponse> {
    const { headers, chunks } = decodeBody(response, this.#hasBody(response));
    const head = this.#head(response, headers);
    let waiting = false;
    const timer = setTimeout(() => {
      if (this.#isUploading) timer.refresh();
      else if (waiting) response.body.destroy(tooSlow());
    }, this.#timeoutMs);
    try {
      await sink.head(head);
      waiting = true;
      timer.refresh();
      for await (const chunk of chunks) {
        waiting = false;
        await sink.chunk(chunk);
        waiting = true;
        timer.refresh();
      }
      return { ...head, refreshed: this.#refreshed, ...sink.sent };
    } finally {
      clearTimeout(timer);
      response.body.destroy();
    }
  }

  #head({ status, statusText }: HttpResponse, headers: ResponseHead["headers"]): ResponseHead {
    return { status, statusText, url: this.#request.url.href, headers };
  }

  #hasBody({ status }: HttpResponse): boolean {
    return this.#request.method !== "HEAD" && status !== 204 && status !== 304;
  }

  /** The answer began before the body was whole: Upload limits how long that may take. */
  get #isUploading(): boolean {
    return this.#upload?.isOver === false && !this.#signal.aborted;
  }

  #left(): number {
    return Math.max(1, Math.ceil(this.#deadline - performance.now()));
  }

  #want() {
    return { timeoutMs: this.#left(), signal: this.#signal };
  }

  /** What the caller is told; of the URL no more than its host, as the rest may hold secrets. */
  explain(error: unknown): AuthdError {
    const { host } = this.#request.url;
    const { name } = this.#credential;
    const because = (reason: AuthdError["reason"], what: string) =>
      new AuthdError(reason, `${name}: ${what}`, { credential: name });
    if (this.#signal.aborted) {
      const { reason } = this.#signal;
      if (reason instanceof AuthdError) return reason;
      return because("cancelled", `the request to ${host} was taken back`);
    }
    if (error instanceof AuthdError) return error;
    if (error instanceof TooLarge) return because("response_too_large", this.#tooLarge(host));
    if (error instanceof UnusableContent) {
      return because("request_failed", `${host} ${error.message}`);
    }
    if (timedOut(error)) {
      const tooLate = `${host} did not answer completely within ${this.#timeoutMs} ms`;
      return because("timeout", neverSent(error) ? explainNetworkError(error, host) : tooLate);
    }
    const inDoubt = neverSent(error) || SAFE.has(this.#request.method) ? "" : IN_DOUBT;
    const message = `${name}: ${explainNetworkError(error, host)}${inDoubt}`;
    const contact = { sent: !neverSent(error), answered: false, unknownHost: isUnknownHost(error) };
    return new AuthdError("request_failed", message, { credential: name, contact });
  }

  #tooLarge(host: string): string {
    return `the answer of ${host} has more than ${this.#maxBytes} bytes: raise maxResponseBytes (${MAX_RESPONSE_BYTES} at most) or use stream`;
  }
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const IN_DOUBT = " Whether the request took effect is not known.";

/** Whether this status means that the token was looked at and taken, and not a gateway's own word. */
function tokenWasAccepted(status: number): boolean {
  const redirect = status >= 300 && status < 400 && status !== 304;
  return status < 500 && !redirect && ![401, 403, 407, 429].includes(status);
}

function noRoom({ name }: RequestCredential): AuthdError {
  const text = `${name}: the answer is there, but authd holds as many large answers as it may; the clients they are for don't take them. Use stream, or try again later.`;
  return new AuthdError("too_busy", text, { credential: name, retryAfterMs: RETRY_AFTER_MS });
}

function tooSlow(): HttpFailure {
  return new HttpFailure("No more of the answer in time.", {
    code: "UND_ERR_BODY_TIMEOUT",
    sent: true,
  });
}
