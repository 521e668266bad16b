import type { Cancellation } from "../base/cancellation.ts";
import { challengeHeader } from "../base/challenges.ts";
import type { ResponseReservation } from "../base/memory-budget.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { RequestProver } from "../credential/dpop.ts";
import type { IssuedToken } from "../credential/issued-token.ts";
import type { WaitLimits } from "../credential/wait.ts";
import type { ClientCertificate } from "../grants/grant.ts";
import { apiWantsNonce } from "../grants/index.ts";
import { drain, encodeForJson, UnusableContent } from "../http/content.ts";
import type { Http, HttpRequest, HttpResponse } from "../http/http.ts";
import {
  type AuthorizedResponse,
  DEFAULT_MAX_RESPONSE_BYTES,
  DEFAULT_TIMEOUT_MS,
  type ParamsOf,
} from "../protocol.ts";
import { type Judged, judge, refusesToken } from "./expiry.ts";
import { assertReachable, reachOf, type TokenReach } from "./origin.ts";
import { concealed, placeToken, type Sendable } from "./placement.ts";
import { redirected } from "./redirect.ts";
import { MAX_RESPONSE_BYTES, toRequestError } from "./request-error.ts";
import { type RequestSink, readBody, streamBody, type UnreadResponse } from "./response-body.ts";
import { UploadBody } from "./upload-body.ts";
import { checkRequest, type ValidatedRequest } from "./validate-request.ts";

const MAX_REDIRECTS = 10;
const MAX_CONNECT_MS = 10_000;

/** The part of a token that is sent. Its headers are in lower case. */
export type Issued = Pick<IssuedToken, "accessToken" | "answer" | "keptOrigins">;

/** The part of a credential that an authorized request needs. */
export interface RequestCredential {
  readonly name: string;
  readonly settings: CredentialSettings;
  /** Rejects or throws with an AuthdError. */
  token(limits: WaitLimits): Issued | Promise<Issued>;
  /** Signs its requests (DPoP); absent: its tokens are bound to nothing. */
  readonly prover?: RequestProver | undefined;
  /** Shown to its APIs (mutual TLS), which know the token by it. */
  readonly certificate?: ClientCertificate | undefined;
  /** Notes that this origin accepted the token; `refused`: the one before, which it refused for the same request. */
  recordAccepted(origin: string, issued: Issued, refused?: Issued): void;
  /**
   * Returns the token to repeat a request with after a 401, or an answer that means the same; undefined if
   * that is the caller's response. `challenge` is its WWW-Authenticate.
   */
  refreshAfter401(
    origin: string,
    issued: Issued,
    challenge: string | undefined,
    limits: WaitLimits,
  ): Promise<Issued | undefined>;
  /**
   * Returns a token with the further scope that a challenge asks for; undefined if the response is the caller's.
   */
  stepUp(
    origin: string,
    issued: Issued,
    challenge: string | undefined,
    limits: WaitLimits,
  ): Promise<Issued | undefined>;
}

/** Returns whether a redirect may be followed: the rule that admitted the request may not cover its target. */
export type MayFollow = (method: string, path: string) => boolean;

export interface RequestOptions {
  /** Called before anything is sent; throws or rejects if the caller may not send this. */
  admit?: (request: ValidatedRequest) => MayFollow | Promise<MayFollow>;
  /** Aborted when the caller cancels; a reason that is an AuthdError is what the caller gets. */
  signal: Cancellation;
  /** Called with each token that is sent. */
  sends?: (issued: Issued) => void;
  /** Accounts for the response before it is read. */
  room?: ResponseReservation | undefined;
  /** Receives the response; the result then has no body. */
  stream?: RequestSink | undefined;
  /** The body, if it comes in parts. */
  upload?: UploadBody | undefined;
}

/**
 * Sends a request with the credential's token to one of its origins; on 401, or another answer that means
 * an expired token (`renew_on`), refreshes and repeats once.
 * `timeoutMs` limits everything, the wait for a token and the response's body included; of a streamed
 * response everything up to its head, then each silence of the API; an upload adds what Upload limits.
 * Throws AuthdError.
 */
export async function authorizedRequest(
  credential: RequestCredential,
  http: Http,
  params: ParamsOf<"authorizedRequest">,
  options: RequestOptions,
): Promise<AuthorizedResponse> {
  const checked = checkRequest(params, credential.settings, options.upload);
  const admitted = options.admit?.(checked);
  const mayFollow = admitted instanceof Promise ? await admitted : admitted;
  const request = new AuthorizedRequest(credential, http, checked, params, options, mayFollow);
  return await request.run();
}

/** One authorized request: where it is sent by now, and with which token. */
class AuthorizedRequest {
  readonly #credential: RequestCredential;
  /** The settings with which the request was checked: later changes are for later requests. */
  readonly #settings: CredentialSettings;
  readonly #http: Http;
  readonly #options: RequestOptions;
  readonly #timeoutMs: number;
  /** On performance.now()'s clock. An upload's begins anew with the head of each response. */
  #deadline: number;
  readonly #maxBytes: number;
  readonly #mayFollow: MayFollow;
  /** Replaced by redirects. */
  #request: ValidatedRequest;
  #isRefreshed = false;
  /** True once a wider scope was asked for. */
  #isSteppedUp = false;
  /** True once the request was repeated with the API's nonce. */
  #hasNonce = false;
  #redirects = 0;
  /** Where the token that is sent may go. */
  #reach: TokenReach;

  constructor(
    credential: RequestCredential,
    http: Http,
    request: ValidatedRequest,
    { timeoutMs, maxResponseBytes }: ParamsOf<"authorizedRequest">,
    options: RequestOptions,
    mayFollow: MayFollow = () => true,
  ) {
    this.#mayFollow = mayFollow;
    this.#options = options;
    this.#credential = credential;
    this.#settings = credential.settings;
    this.#reach = credential.settings;
    this.#http = http;
    this.#request = request;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#deadline = performance.now() + this.#timeoutMs;
    this.#maxBytes = Math.min(maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES, MAX_RESPONSE_BYTES);
  }

  async run(): Promise<AuthorizedResponse> {
    try {
      return await this.#read(await this.#send());
    } catch (error) {
      throw toRequestError(error, {
        credential: this.#credential.name,
        url: this.#request.url,
        method: this.#request.method,
        signal: this.#options.signal,
        timeoutMs: this.#timeoutMs,
        maxBytes: this.#maxBytes,
      });
    }
  }

  /** Returns the final response: after redirects inside the origins, and after the repeat with a newer token. */
  async #send(): Promise<HttpResponse> {
    let issued = await this.#credential.token(this.#limits());
    let refused: Issued | undefined;
    for (;;) {
      const sent = await this.#sendOnce(issued);
      if (this.#needsNonce(sent)) {
        drain(sent.body);
        continue;
      }
      const { response, isExpired } = await this.#judge(sent);
      const mayChange = isExpired || (response.status === 403 && !this.#request.isBare);
      const newer = mayChange ? await this.#newer(response, issued, isExpired) : undefined;
      if (newer) [issued, refused] = [newer, issued];
      else if (!this.#follow(response)) {
        if (!isExpired) this.#recordAccepted(response, issued, refused);
        return response;
      }
      drain(response.body);
    }
  }

  /** Keeps the API's nonce; true if the request is to be sent once more with it (RFC 9449 section 9). */
  #needsNonce({ status, headers }: HttpResponse): boolean {
    const { prover } = this.#credential;
    if (!prover || this.#request.isBare) return false;
    const isNew = prover.learn(this.#request.url.href, headers);
    const isWanted = isNew && !this.#hasNonce && apiWantsNonce(status, headers);
    if (!isWanted || !isSendable(this.#request)) return false;
    this.#hasNonce = true;
    this.#options.upload?.rewind();
    return true;
  }

  #judge(response: HttpResponse): Judged | Promise<Judged> {
    if (this.#request.isBare) return { response, isExpired: false };
    if (refusesToken(response)) return { response, isExpired: true };
    const { renewOn } = this.#settings;
    if (!renewOn) return { response, isExpired: false };
    return judge(response, renewOn, { hasBody: this.#hasBody(response), leftMs: this.#leftMs() });
  }

  /** Makes the request the one that a response redirects to; false if the response is for the caller. */
  #follow(response: HttpResponse): boolean {
    const next = redirected(this.#request, response, this.#reach, this.#settings);
    if (!next || !isSendable(next)) return false;
    // Rules are about the use of the token, which does not go to another origin.
    if (!next.isBare && !this.#mayFollow(next.method, next.url.pathname)) return false;
    if (++this.#redirects > MAX_REDIRECTS) {
      response.body.destroy();
      throw new UnusableContent(`redirects more than ${MAX_REDIRECTS} times`);
    }
    this.#request = next;
    if (next.body) this.#options.upload?.rewind();
    else this.#options.upload?.close();
    return true;
  }

  async #sendOnce(issued: Issued): Promise<HttpResponse> {
    const { method, isBare } = this.#request;
    if (!isBare) this.#announce(issued);
    const { ca } = this.#settings;
    const { url, headers, body } = isBare ? asItIs(this.#request) : this.#withToken(issued);
    const { prover } = this.#credential;
    if (prover && !isBare) headers.dpop = await prover.prove(method, url.href, issued.accessToken);
    const request: HttpRequest = { method, url, headers };
    if (ca !== undefined) request.ca = ca;
    const { certificate } = this.#credential;
    if (certificate && !isBare) request.certificate = certificate;
    if (body !== undefined && !(body instanceof UploadBody)) request.body = body;
    const response =
      body instanceof UploadBody
        ? await this.#sendUpload(request, body)
        : await this.#http(Object.assign(request, this.#limits()));
    return issued.answer.query ? concealed(response, issued.answer.query) : response;
  }

  /** Tells that this token is about to be sent. Throws AuthdError `origin_not_allowed` if it may not go there. */
  #announce(issued: Issued): void {
    if (this.#settings.keptOrigins) {
      this.#reach = reachOf(this.#settings, issued);
      assertReachable(this.#request.url, this.#reach);
    }
    this.#options.sends?.(issued);
  }

  #withToken({ answer }: Issued): Sendable {
    const { placement } = this.#settings;
    if (placement) return placeToken(this.#request, answer, placement);
    const { url, headers, body } = this.#request;
    return { url, headers: { ...headers, ...answer.headers }, body };
  }

  /** Sends a body in parts, on a connection of its own: its server may be closing another, or requests wait for it. */
  async #sendUpload(request: HttpRequest, body: UploadBody): Promise<HttpResponse> {
    const length = body.bytes === undefined ? undefined : String(body.bytes);
    const response = await this.#http({
      ...request,
      headers: { ...request.headers, ...omitUndefined({ "content-length": length }) },
      body: body.parts(),
      freshConnection: true,
      repeatable: false,
      connectTimeoutMs: Math.min(this.#leftMs(), MAX_CONNECT_MS),
      signal: this.#options.signal,
    });
    body.answered();
    this.#deadline = performance.now() + this.#timeoutMs;
    return response;
  }

  /** Returns the token to send the request with once more; undefined: the response is the caller's. */
  async #newer(
    response: HttpResponse,
    issued: Issued,
    isExpired: boolean,
  ): Promise<Issued | undefined> {
    if (!isSendable(this.#request)) return undefined;
    const { upload } = this.#options;
    upload?.hold();
    const renewed = isExpired ? await this.#refresh(response, issued) : undefined;
    const newer = renewed ?? (await this.#stepUp(response, issued));
    if (newer) upload?.rewind();
    else upload?.resume();
    return newer;
  }

  /** Returns a newer token after an answer that refuses this one, once for each request. */
  async #refresh(response: HttpResponse, issued: Issued): Promise<Issued | undefined> {
    if (this.#isRefreshed) return undefined;
    const { origin } = this.#request.url;
    const limits = this.#limits();
    const challenge = challengeOf(response);
    const newer = await this.#credential.refreshAfter401(origin, issued, challenge, limits);
    this.#isRefreshed = newer !== undefined;
    return newer;
  }

  /** Returns a token with the scope that the API asks for, once for each request. */
  async #stepUp(response: HttpResponse, issued: Issued): Promise<Issued | undefined> {
    const challenge = challengeOf(response);
    if (this.#isSteppedUp || challenge === undefined) return undefined;
    this.#isSteppedUp = true;
    const { origin } = this.#request.url;
    return await this.#credential.stepUp(origin, issued, challenge, this.#limits());
  }

  #recordAccepted({ status }: HttpResponse, issued: Issued, refused: Issued | undefined): void {
    if (this.#request.isBare || !tokenWasAccepted(status)) return;
    this.#credential.recordAccepted(this.#request.url.origin, issued, refused);
  }

  async #read(response: HttpResponse): Promise<AuthorizedResponse> {
    const { stream, room, upload, signal } = this.#options;
    const { url } = this.#request;
    const timeoutMs = this.#timeoutMs;
    const hasBody = this.#hasBody(response);
    const isUploading = () => upload?.isOver === false && !signal.aborted;
    const unread: UnreadResponse = { response, url, hasBody, timeoutMs, isUploading };
    const refreshed = this.#isRefreshed;
    if (stream) return { ...(await streamBody(unread, stream)), refreshed };
    const { name: credential } = this.#credential;
    const limits = { credential, maxBytes: this.#maxBytes, leftMs: this.#leftMs(), room };
    const { head, bytes } = await readBody(unread, limits);
    return Object.assign(head, encodeForJson(bytes), { refreshed });
  }

  #hasBody({ status }: HttpResponse): boolean {
    return this.#request.method !== "HEAD" && status !== 204 && status !== 304;
  }

  #leftMs(): number {
    return Math.max(1, Math.ceil(this.#deadline - performance.now()));
  }

  #limits() {
    return { timeoutMs: this.#leftMs(), signal: this.#options.signal };
  }
}

function challengeOf({ headers }: HttpResponse): string | undefined {
  return challengeHeader(headers) || undefined;
}

function asItIs({ url, headers, body }: ValidatedRequest): Sendable {
  return { url, headers: { ...headers }, body };
}

/** False for a body in parts whose beginning is no longer kept: it can't be sent again. */
function isSendable({ body }: ValidatedRequest): boolean {
  return !(body instanceof UploadBody) || body.isReplayable;
}

/** True if this status means that the API checked the token and accepted it; a gateway's own status does not. */
function tokenWasAccepted(status: number): boolean {
  const isRedirect = status >= 300 && status < 400 && status !== 304;
  return status < 500 && !isRedirect && ![401, 403, 407, 429].includes(status);
}
