/** Puts the token where its API wants it beside headers: into the query, a cookie, or the body. */
import { isUtf8 } from "node:buffer";
import type { Placement } from "../config/settings.ts";
import type { HttpResponse } from "../http/http.ts";
import type { GetTokenResult } from "../protocol.ts";
import {
  concealParameters,
  dropParameters,
  encodeParameters,
  withoutParameters,
  withParameters,
} from "./query.ts";
import { UploadBody } from "./upload-body.ts";
import type { ValidatedRequest } from "./validate-request.ts";

/** Says why a request has no place for the token; the end of a sentence. */
export class NoPlace extends Error {}

const FORM = "application/x-www-form-urlencoded";
const WITHOUT_BODY = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Returns a request without the parameters and cookies that the credential sends itself, and with a body that
 * the token can be added to. Throws NoPlace.
 */
export function makePlace(request: ValidatedRequest, placement: Placement): ValidatedRequest {
  const { query, cookie, body } = placement;
  if (query) dropParameters(request.url, Object.keys(query));
  const headers = cookie ? withoutCookies(request.headers, Object.keys(cookie)) : request.headers;
  return body ? withBody({ ...request, headers }, Object.keys(body)) : { ...request, headers };
}

function withoutCookies(headers: ValidatedRequest["headers"], names: readonly string[]) {
  const { cookie, ...others } = headers;
  if (cookie === undefined) return headers;
  const kept = cookie
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "" && !names.includes(pair.split("=", 1)[0]!.trim()));
  return kept.length > 0 ? { ...others, cookie: kept.join("; ") } : others;
}

function withBody(request: ValidatedRequest, names: readonly string[]): ValidatedRequest {
  const { method, body, headers } = request;
  const wanted = `the token goes into the body (${names.join(", ")})`;
  if (body instanceof UploadBody) {
    throw new NoPlace(`${wanted}, which can't come in parts: send it whole`);
  }
  if (body === undefined && WITHOUT_BODY.has(method)) {
    throw new NoPlace(`${wanted}, and ${method} has none: use POST`);
  }
  const type = headers["content-type"] ?? (body === undefined ? FORM : "");
  const format = formatOf(type);
  if (!format) {
    throw new NoPlace(
      `${wanted}: say by content-type that it is a form (${FORM}) or application/json`,
    );
  }
  const text = textOf(body ?? (format === "json" ? "{}" : ""));
  return {
    ...request,
    headers: { ...headers, "content-type": type },
    body:
      format === "form"
        ? withoutParameters(text, new Set(names))
        : assertObject(text, names, wanted),
    format,
  };
}

function formatOf(type: string): "form" | "json" | undefined {
  const mediaType = type.split(";")[0]!.trim().toLowerCase();
  if (mediaType === FORM) return "form";
  return /^application\/([\w.-]+\+)?json$/.test(mediaType) ? "json" : undefined;
}

function textOf(body: string | Buffer): string {
  if (typeof body === "string") return body;
  return isUtf8(body) ? body.toString() : "";
}

/** Returns the text of a JSON object that has none of these members. */
function assertObject(text: string, names: readonly string[], wanted: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No JSON is no object either.
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NoPlace(`${wanted}, which has to be a JSON object`);
  }
  const taken = names.find((name) => Object.hasOwn(value, name));
  if (taken === undefined) return text;
  throw new NoPlace(`${wanted}: leave the member ${JSON.stringify(taken)} out, authd adds it`);
}

/** The parts of a request that the token can be in. */
export interface Sendable {
  url: URL;
  headers: Record<string, string>;
  body?: ValidatedRequest["body"];
}

/** Returns the address, the headers and the body of a request with the token in it. */
export function placeToken(
  { url, headers, body, format }: ValidatedRequest,
  answer: Pick<GetTokenResult, "headers" | "query" | "body">,
  placement: Placement,
): Sendable {
  const own = answer.headers.cookie;
  const cookie = placement.cookie && headers.cookie && own && `${headers.cookie}; ${own}`;
  return {
    url: answer.query ? new URL(withParameters(url, answer.query)) : url,
    headers: { ...headers, ...answer.headers, ...(cookie && { cookie }) },
    ...(body !== undefined && {
      body: format && answer.body ? merged(String(body), format, answer.body) : body,
    }),
  };
}

function merged(
  text: string,
  format: "form" | "json",
  members: Readonly<Record<string, string>>,
): string {
  if (format === "form") return `${text}${text === "" ? "" : "&"}${encodeParameters(members)}`;
  const own = JSON.stringify(members).slice(1, -1);
  const rest = text.slice(text.indexOf("{") + 1);
  return `{${own}${/^\s*\}/.test(rest) || own === "" ? "" : ","}${rest}`;
}

/** Headers whose URLs can repeat the query of the request. */
const WITH_URLS = ["location", "content-location", "link", "refresh"] as const;

/** Returns a response whose headers do not repeat what was added to the query. */
export function concealed(
  response: HttpResponse,
  query: Readonly<Record<string, string>>,
): HttpResponse {
  const headers = { ...response.headers };
  for (const name of WITH_URLS) {
    const value = headers[name];
    if (typeof value === "string") headers[name] = concealParameters(value, query);
    else if (value) headers[name] = value.map((each) => concealParameters(each, query));
  }
  const { status, statusText, body, connection, reused } = response;
  return { status, statusText, headers, body, connection, reused };
}
