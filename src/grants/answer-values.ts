/** Reads the token and the values beside it out of an answer, from the places that a credential file names. */
import { describePage, isPage } from "./answer-reason.ts";
import type { IssuerResponse } from "./grant.ts";
import { resolvePointer } from "./json.ts";
import { type Answer, textAt, valueAt } from "./place.ts";
import type { AnswerContext } from "./refusal.ts";
import type { KeptPlace } from "./response-settings.ts";
import { unfitToken } from "./token-claims.ts";

/** Bytes of a value that is kept: a second token fits. */
const MAX_KEPT_BYTES = 16 * 1024;

/** Returns the token at `place`; undefined if there is none. */
export function tokenAt(place: string, answer: Answer, response: IssuerResponse) {
  const token = textAt(place, answer);
  if (token === undefined || (place === "text" && !isTokenText(token, response))) return undefined;
  return withoutBearer(token);
}

/** Drops the word in front of a token that already says "Bearer": whoever sends it writes the word. */
export function withoutBearer(token: string): string {
  return token.replace(/^(?:Bearer +)+(?=\S)/i, "");
}

/** True if a whole body looks like a token: otherwise a message or a page would be sent to the API. */
function isTokenText(text: string, response: IssuerResponse): boolean {
  return !isPage(response) && /^(Bearer +)?[^\s<>{}[\]"]+$/i.test(text);
}

/** Returns the object that has the token as a member; an empty one if it is elsewhere. */
export function holderOf(place: string, { document }: Answer): object {
  const holder = place.startsWith("/")
    ? resolvePointer(document, place.slice(0, place.lastIndexOf("/")))
    : document;
  return typeof holder === "object" && holder !== null ? holder : {};
}

/** Returns why a response has no usable token at `place`, as a sentence; `token`: what is there. */
export function whyNoToken(
  response: IssuerResponse,
  place: string,
  token: string | undefined,
  context: AnswerContext,
): string {
  if (token !== undefined) return `the issuer's token ${unfitToken(token)}.`;
  const { urlKey } = context;
  if (isPage(response)) {
    return `the issuer answered ${describePage(response, context)}; check ${urlKey}.`;
  }
  const status = `HTTP ${response.status}`;
  if (response.text.trim() === "" && place.startsWith("/")) {
    return `the issuer's answer is empty (${status}), without a token at response.token = "${place}"; check ${urlKey}.`;
  }
  return `the issuer's answer (${status}) has no token at response.token = "${place}".`;
}

/** Returns the token's type: said in the file itself, or read at a place of the answer. */
export function tokenTypeAt(said: string | undefined, answer: Answer): string {
  const isPlace = said !== undefined && /^(\/|header:|cookie:)/i.test(said);
  const type = isPlace ? textAt(said, answer) : said;
  if (type === undefined || !/^[\w.-]{1,32}$/.test(type)) return "Bearer";
  return type.toLowerCase() === "bearer" ? "Bearer" : type;
}

/** Returns a scope as one text: RFC 6749 has one, some issuers send a list. */
export function scopeText(value: unknown): string | undefined {
  const parts = [value].flat().filter((part) => typeof part === "string");
  return parts.join(" ").trim() || undefined;
}

/** Returns the scope at `place`. */
export function scopeAt(place: string | undefined, answer: Answer): string | undefined {
  return place === undefined ? undefined : scopeText(valueAt(place, answer));
}

/** Certificates and keys in PEM (RFC 7468). */
const PEM =
  /^(?:-----BEGIN [A-Z0-9 ]{1,64}-----\r?\n[A-Za-z0-9+/=\r\n]+-----END [A-Z0-9 ]{1,64}-----(?:\r?\n)*)+$/;

/**
 * Returns the values to keep, by name; one that is missing, too long or that no header can carry is left out.
 * PEM is kept: `getToken` hands it out, and no template takes it.
 */
export function keptValues(
  keep: Readonly<Record<string, KeptPlace>> = {},
  answer: Answer,
): Record<string, string> {
  const found = Object.entries(keep).flatMap(([name, { from }]) => {
    const value = textAt(from, answer);
    const isFit =
      value !== undefined &&
      value.length <= MAX_KEPT_BYTES &&
      (unfitToken(value) === undefined || PEM.test(value));
    return isFit ? [[name, value]] : [];
  });
  return Object.fromEntries(found);
}
