/** Reads an exchange's response: finds the token and its lifetime in it. */
import * as z from "../base/zod.ts";
import type { Acquired, IssuerResponse } from "./grant.ts";
import { isJsonPointer, parseJson, resolvePointer } from "./json.ts";
import { readLifetime } from "./lifetime.ts";
import { placeSchema, readAnswer } from "./place.ts";
import {
  type AnswerContext,
  isPage,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";
import { unfitToken } from "./token-claims.ts";

const HEADER = /^header:([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/i;

const timePlace = placeSchema.refine((place) => place !== "text", "must not be the whole body");

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
    expires_in: timePlace
      .optional()
      .describe("Where the lifetime is: a JSON pointer, header:NAME or cookie:NAME. In seconds."),
    expires_at: timePlace
      .optional()
      .describe("Where the end is: a JSON pointer, header:NAME or cookie:NAME."),
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
  const { status } = response;
  if (status < 200 || status > 299) throw toRefusalError(response, context);
  const document = parseJson(response.text);
  const accessToken = findToken(response, places.token, document);
  if (accessToken === undefined || unfitToken(accessToken) !== undefined) {
    // Some APIs answer 200 and say inside that they refused.
    if (!accessToken && saysRefused(response, context)) throw toRefusalError(response, context);
    throw unusableAnswer(context, complaint(response, places.token, accessToken));
  }
  const answer = readAnswer(response);
  const source = { response, answer, members: holderOf(document, places.token), accessToken };
  return {
    accessToken,
    tokenType: tokenType(document, places.token_type),
    ...readLifetime({ ...source, places }, context),
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

/** Returns the object that has the token as a member; an empty one if it is elsewhere. */
function holderOf(document: unknown, place: string): object {
  const holder = place.startsWith("/")
    ? resolvePointer(document, place.slice(0, place.lastIndexOf("/")))
    : document;
  return typeof holder === "object" && holder !== null ? holder : {};
}
