/** Reads an exchange's response: finds the token and its lifetime in it. */
import { omitUndefined } from "../base/omit-undefined.ts";
import * as z from "../base/zod.ts";
import type { Acquired, IssuerResponse } from "./grant.ts";
import { isJsonPointer, parseJson, resolvePointer } from "./json.ts";
import {
  type AnswerContext,
  isPage,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";
import { jwtTimes, seconds, unfitToken } from "./token-claims.ts";

const HEADER = /^header:([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/i;

const pointer = z
  .string()
  .min(1)
  .refine(isJsonPointer, "is not a JSON pointer such as /data/token");

export const responseSchema = z
  .strictObject({
    token: z
      .string()
      .min(1)
      .refine(
        (place) => place === "text" || HEADER.test(place) || isJsonPointer(place),
        "must be a JSON pointer such as /data/token, text, or header:NAME",
      )
      .describe("Where the token is: a JSON pointer, text (the whole body) or header:NAME."),
    expires_in: pointer.optional().describe("JSON pointer to the lifetime in seconds."),
    expires_at: pointer
      .optional()
      .describe("JSON pointer to the end: seconds or milliseconds since 1970, or ISO 8601."),
    token_type: z
      .string()
      .min(1)
      .optional()
      .describe("The token's type, or a JSON pointer to it. Default: Bearer."),
  })
  .refine(
    ({ expires_in, expires_at }) => expires_in === undefined || expires_at === undefined,
    "has both expires_in and expires_at",
  );

export type ExchangeResponse = z.output<typeof responseSchema>;

/** Returns the token in a response. Throws the AuthdError that says why there is none. */
export function readExchangeAnswer(
  response: IssuerResponse,
  places: ExchangeResponse,
  context: AnswerContext,
): Acquired {
  const { status, sentAt } = response;
  if (status < 200 || status > 299) throw toRefusalError(response, context);
  const document = parseJson(response.text);
  const accessToken = findToken(response, places.token, document);
  if (accessToken === undefined || unfitToken(accessToken) !== undefined) {
    // Some APIs answer 200 and say inside that they refused.
    if (!accessToken && saysRefused(response, context)) throw toRefusalError(response, context);
    throw unusableAnswer(context, complaint(response, places.token, accessToken));
  }
  const expiresIn = lifetime(document, places, sentAt?.assumed ?? context.now);
  const jwt = jwtTimes(accessToken);
  return {
    accessToken,
    tokenType: tokenType(document, places.token_type),
    ...omitUndefined({ expiresIn, jwt, issuerSentAt: sentAt?.assumed }),
  };
}

function findToken(response: IssuerResponse, place: string, document: unknown): string | undefined {
  const name = HEADER.exec(place)?.[1];
  if (name !== undefined) {
    return response.headers[name.toLowerCase()]?.trim().replace(/^Bearer +/i, "");
  }
  // A body of one JSON string is that string: ASP.NET quotes text when asked for JSON.
  const value =
    place !== "text"
      ? resolvePointer(document, place)
      : typeof document === "string"
        ? document
        : response.text;
  if (typeof value !== "string") return undefined;
  return place === "text" && !isTokenText(response, value) ? undefined : value.trim();
}

/** True if a whole body looks like a token: otherwise a message or a page would be sent to the API. */
function isTokenText(response: IssuerResponse, text: string): boolean {
  return !isPage(response) && /^[^\s<>{}[\]"]+$/.test(text.trim());
}

function complaint(response: IssuerResponse, place: string, token: string | undefined): string {
  if (token !== undefined) return `the issuer's token ${unfitToken(token)}.`;
  if (isPage(response)) {
    return `the issuer answered a page for people instead of a token (HTTP ${response.status}); check request.url.`;
  }
  return `the issuer's answer (HTTP ${response.status}) has no token at response.token = "${place}".`;
}

function tokenType(document: unknown, place: string | undefined): string {
  const value = place?.startsWith("/") ? resolvePointer(document, place) : place;
  if (typeof value !== "string" || !/^[\w.-]{1,32}$/.test(value)) return "Bearer";
  return value.toLowerCase() === "bearer" ? "Bearer" : value;
}

/** Returns seconds from now on. */
function lifetime(document: unknown, places: ExchangeResponse, now: number): number | undefined {
  if (places.expires_in !== undefined) return seconds(resolvePointer(document, places.expires_in));
  if (places.expires_at === undefined) return undefined;
  const at = instant(resolvePointer(document, places.expires_at));
  return at === undefined ? undefined : seconds(Math.max(0, at - now) / 1000);
}

/** Converts seconds, milliseconds or ISO 8601 (UTC, if it has no zone) to milliseconds since the epoch. */
function instant(value: unknown): number | undefined {
  const text = typeof value === "string" ? value.trim() : value;
  const number = typeof text === "string" && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  // Seconds reach this number in the year 5138, milliseconds did in 1973.
  if (typeof number === "number") {
    if (!(number > 0)) return undefined;
    return number < 100_000_000_000 ? number * 1000 : number;
  }
  const iso =
    typeof text === "string" && /^(\d{4}-\d\d-\d\d)(?:[T ](\S+?))?(Z|[+-]\d\d:?\d\d)?$/i.exec(text);
  if (!iso) return undefined;
  const [, day, time = "00:00", zone = "Z"] = iso;
  const at = Date.parse(`${day}T${time}${zone.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2")}`);
  return Number.isNaN(at) ? undefined : at;
}
