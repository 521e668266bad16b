/** Checks the request that a caller of authorizedRequest wants sent, before a token is requested. */
import { createHash, randomUUID } from "node:crypto";
import { decodeBase64 } from "../base/base64.ts";
import { foldedHeader, isConnectionHeader, isHeaderName } from "../base/header-names.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Placement } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { MAX_BODY_BYTES, type ParamsOf, type RequestDetails } from "../protocol.ts";
import { allowedUrl, type Reach } from "./origin.ts";
import { makePlace, NoPlace } from "./placement.ts";
import { UploadBody } from "./upload-body.ts";

const MAX_HEADERS = 256;
/** All names and values together, in characters of Latin-1. */
const MAX_HEADER_BYTES = 64 * 1024;

/** A request without its authorization: a redirect or a 401 sends it more than once. */
export interface ValidatedRequest {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | UploadBody;
  /** The format of a body that the token is added to. */
  readonly format?: "form" | "json";
  /** Sent without anything of the credential's: a redirect led to another origin. */
  readonly isBare?: true;
}

interface Owner extends Reach {
  /** Headers that the credential itself sends, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly placement?: Placement;
}

/** Any character but printable Latin-1 and tabs (RFC 9110 section 5.5). */
const INVALID_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const USUAL_METHODS = new Set(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]);
const REFUSED_METHODS = new Set(["TRACE", "CONNECT"]);
/** Headers that are sent unless the caller gives others. */
const DEFAULT_HEADERS = {
  accept: "*/*",
  "accept-encoding": "gzip, deflate, br",
  "user-agent": "authd",
};

/**
 * Returns the request to send. `upload`: the body, if it comes in parts. Throws AuthdError `invalid_params`,
 * `origin_not_allowed` or `request_too_large`.
 */
export function checkRequest(
  params: ParamsOf<"authorizedRequest">,
  owner: Owner,
  upload?: UploadBody,
): ValidatedRequest {
  const method = checkMethod(params.method ?? "GET", owner);
  const url = allowedUrl(params.url, owner);
  const headers = params.headers ? checkHeaders(params.headers, owner) : DEFAULT_HEADERS;
  const body = checkBody(params, owner, upload);
  const request = body === undefined ? { method, url, headers } : { method, url, headers, body };
  return owner.placement ? withPlace(request, owner, owner.placement) : request;
}

function withPlace(request: ValidatedRequest, owner: Owner, placement: Placement) {
  try {
    return makePlace(request, placement);
  } catch (error) {
    throw error instanceof NoPlace ? invalid(owner, error.message) : error;
  }
}

/**
 * Returns a request as it is shown to a person who is asked about it, and a digest that no other request has.
 * Values of headers and the body may hold secrets: the person sees names, length and digest instead.
 */
export function wishToSend({ method, url, headers, body }: ValidatedRequest) {
  const sent = body === undefined ? undefined : detailsOf(body);
  const given = Object.entries(headers).filter(
    ([name, value]) => (DEFAULT_HEADERS as Record<string, string>)[name] !== value,
  );
  // No two uploads are alike: a yes to a body that is not known yet is for this one alone.
  const digest = body instanceof UploadBody ? randomUUID() : sent?.bodySha256;
  const exact = sha256(JSON.stringify([method, url.href, given.sort(byName), digest]));
  return {
    what: `${method} ${url.origin}${url.pathname}`,
    exact,
    request: {
      ...(url.search === "" ? {} : { query: url.search }),
      ...(given.length === 0 ? {} : { headers: given.map(([name]) => name) }),
      ...sent,
    },
  };
}

function detailsOf(body: string | Buffer | UploadBody): RequestDetails {
  if (!(body instanceof UploadBody)) {
    return { bodyBytes: Buffer.byteLength(body), bodySha256: sha256(body) };
  }
  return { bodyFollows: true, ...omitUndefined({ bodyBytes: body.bytes }) };
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
const byName = ([one]: [string, string], [other]: [string, string]) => (one < other ? -1 : 1);

function checkMethod(text: string, owner: Owner): string {
  if (USUAL_METHODS.has(text)) return text;
  const upper = text.toUpperCase();
  if (!isHeaderName(text)) throw invalid(owner, "method is not one of HTTP's, such as GET or POST");
  if (REFUSED_METHODS.has(upper)) throw invalid(owner, `the method ${upper} is not sent`);
  // Method names are case-sensitive, but "post" is surely meant as POST.
  return USUAL_METHODS.has(upper) ? upper : text;
}

function checkHeaders(given: Record<string, string>, owner: Owner): Record<string, string> {
  const headers: Record<string, string> = { ...DEFAULT_HEADERS };
  const seen = new Set<string>();
  const own = ["authorization", ...Object.keys(owner.headers)];
  const entries = Object.entries(given);
  assertFewHeaders(entries, owner);
  for (const [name, value] of entries) {
    const lower = name.toLowerCase();
    if (!isHeaderName(name)) throw invalid(owner, `${JSON.stringify(name)} is not a header name`);
    if (isConnectionHeader(foldedHeader(name))) {
      throw invalid(owner, `the header ${lower} can't be set: the connection's own`);
    }
    const meant = own.find((one) => one !== lower && foldedHeader(one) === foldedHeader(lower));
    if (meant !== undefined) {
      throw invalid(
        owner,
        `the header ${lower} can't be set: some servers take it for ${meant}, which authd writes`,
      );
    }
    if (INVALID_IN_VALUE.test(value)) {
      throw invalid(
        owner,
        `the header ${lower} holds a line break or another character that no header can`,
      );
    }
    if (seen.has(lower)) throw invalid(owner, `the header ${lower} is given twice`);
    seen.add(lower);
    // Only authd writes it, even where the credential's headers have none.
    if (lower !== "authorization") headers[lower] = value;
  }
  return headers;
}

function assertFewHeaders(entries: readonly (readonly [string, string])[], owner: Owner): void {
  const bytes = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (entries.length <= MAX_HEADERS && bytes <= MAX_HEADER_BYTES) return;
  const most = `${MAX_HEADERS} headers and ${MAX_HEADER_BYTES / 1024} KiB of them`;
  throw invalid(owner, `a request has at most ${most}`);
}

function checkBody(
  { body, bodyBase64 }: ParamsOf<"authorizedRequest">,
  owner: Owner,
  upload: UploadBody | undefined,
): ValidatedRequest["body"] {
  if (upload && (body !== undefined || bodyBase64 !== undefined)) {
    throw invalid(owner, "request/open takes no body: send it in request/chunk");
  }
  if (body !== undefined && bodyBase64 !== undefined) {
    throw invalid(owner, "give body or bodyBase64, not both");
  }
  const bytes = upload ?? body ?? (bodyBase64 === undefined ? undefined : decodeBase64(bodyBase64));
  if (bytes === undefined && bodyBase64 !== undefined) {
    throw invalid(owner, "bodyBase64 is not base64 (RFC 4648 section 4)");
  }
  if (bytes !== undefined && !(bytes instanceof UploadBody)) assertFewBytes(bytes, owner);
  return bytes;
}

function assertFewBytes(body: string | Buffer, owner: Owner): void {
  const bytes = Buffer.byteLength(body);
  if (bytes <= MAX_BODY_BYTES) return;
  throw new AuthdError(
    "request_too_large",
    `${owner.name}: the request's body has ${bytes} bytes; the most in one message is ${MAX_BODY_BYTES}: send it by request/open and request/chunk`,
    { credential: owner.name },
  );
}

function invalid({ name }: Owner, what: string): AuthdError {
  return new AuthdError("invalid_params", `${name}: ${what}`, { credential: name });
}
