/**
 * Reads token responses (RFC 6749 section 5.1). Issuers get many small things wrong that do no harm, and OAuth
 * libraries refuse most of them; they also keep whole bodies in their errors. Therefore the members are
 * normalized first, and what is then missing or unusable is refused.
 */
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import { describePage, isPage } from "./answer-reason.ts";
import {
  holderOf,
  keptValues,
  scopeText,
  tokenAt,
  tokenTypeAt,
  whyNoToken,
  withoutBearer,
} from "./answer-values.ts";
import type { Acquired, IssuerResponse } from "./grant.ts";
import { memberNamed } from "./json.ts";
import { readLifetime } from "./lifetime.ts";
import { readMembers } from "./oauth-problem.ts";
import { type Answer, asText, readAnswer, valueAt } from "./place.ts";
import {
  type AnswerContext,
  isRejected,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";
import type { ResponsePlaces } from "./response-settings.ts";
import { withRotated } from "./rotated-token.ts";
import { tokenIdentity, unfitToken } from "./token-claims.ts";

/** Token types that bind the token to a key or a signature: useless as a plain header. */
const NEEDS_PROOF = new Set(["dpop", "mac", "pop"]);

/**
 * Returns the token in a response, read at `places` or where RFC 6749 says. Throws the AuthdError that says why
 * there is none.
 */
export function readTokenAnswer(
  response: IssuerResponse,
  places: ResponsePlaces,
  context: AnswerContext,
): Acquired {
  const { status } = response;
  const answer = readAnswer(response);
  const members = readMembers(response.text) ?? {};
  const found = findMembers(response, answer, members, places);
  // Some issuers send errors with status 200, and tokens with 201.
  const isError =
    isRejected(response, context) ||
    (found.access_token === undefined && saysRefused(response, context));
  if (status < 200 || status > 299 || isError) throw toRefusalError(response, context);
  const { access_token, scope, refresh_token } = usable(response, found, places, context);
  const holder = places.token === undefined ? members : holderOf(places.token, answer);
  const source = { response, answer, members: holder, accessToken: access_token, places };
  return {
    accessToken: access_token,
    tokenType: context.isBound ? "DPoP" : tokenTypeAt(places.token_type, answer),
    ...omitUndefined({ scope, refreshToken: context.refreshing ? refresh_token : undefined }),
    ...readLifetime({ ...source, hasUsualNames: true }, context),
    ...omitUndefined({ identity: idTokenIdentity(members) }),
    ...(places.keep && { kept: keptValues(places.keep, answer) }),
  };
}

/** Checks the members that were found. Throws an AuthdError, beside which a new refresh token is kept. */
function usable(
  response: IssuerResponse,
  found: ReturnType<typeof findMembers>,
  places: ResponsePlaces,
  context: AnswerContext,
) {
  try {
    assertToken(found.access_token, response, places, context);
    assertBound(found.token_type, response, context);
    return usableMembers(response, found, context);
  } catch (error) {
    const next = context.refreshing ? found.refresh_token : undefined;
    throw next !== undefined && error instanceof AuthdError ? withRotated(error, next) : error;
  }
}

/** Returns the names in an ID token (OpenID Connect Core section 2), its signature unchecked: for people. */
function idTokenIdentity({ id_token: idToken }: Record<string, unknown>) {
  const identity = typeof idToken === "string" ? tokenIdentity(idToken) : {};
  return Object.keys(identity).length > 0 ? identity : undefined;
}

/** Finds the members of RFC 6749, without empty strings, nulls and impossible values. */
function findMembers(
  response: IssuerResponse,
  answer: Answer,
  members: Record<string, unknown>,
  places: ResponsePlaces,
) {
  const at = (place: string | undefined, name: string) =>
    place === undefined ? memberNamed(members, name) : valueAt(place, answer);
  const token =
    places.token === undefined
      ? asText(memberNamed(members, "access_token"))
      : tokenAt(places.token, answer, response);
  return {
    access_token: token && withoutBearer(token),
    token_type: tokenType(
      places.token_type === undefined
        ? memberNamed(members, "token_type")
        : tokenTypeAt(places.token_type, answer),
    ),
    refresh_token: asText(at(places.refresh_token, "refresh_token")),
    scope: scopeText(at(places.scope, "scope")),
  };
}

/** Returns the token type; `bearer` if it is missing, or one of the many other words that issuers use for it. */
function tokenType(value: unknown): string {
  const type = asText(value)?.toLowerCase() ?? "bearer";
  return NEEDS_PROOF.has(type) ? type : "bearer";
}

/** Throws the AuthdError of an answer without a token, but for one that only lacks the standard member. */
function assertToken(
  token: string | undefined,
  response: IssuerResponse,
  { token: place }: ResponsePlaces,
  context: AnswerContext,
): void {
  if (token !== undefined) return;
  if (place !== undefined) {
    throw unusableAnswer(response, context, whyNoToken(response, place, undefined, context));
  }
  if (readMembers(response.text) === undefined)
    throw unusableAnswer(response, context, unreadable(response, context));
}

/** Throws the AuthdError of a token that should be bound to a key, and is not (RFC 9449 section 5). */
function assertBound(tokenType: string, response: IssuerResponse, context: AnswerContext): void {
  if (!context.isBound || tokenType === "dpop") return;
  throw unusableAnswer(
    response,
    context,
    "the issuer's token is not bound to the key that dpop = true sends: ask the issuer for DPoP, or take dpop out.",
  );
}

/** Returns the members of a token that can be sent as it is. Throws the AuthdError of any other. */
function usableMembers(
  response: IssuerResponse,
  found: ReturnType<typeof findMembers>,
  context: AnswerContext,
) {
  const { access_token, token_type } = found;
  if (access_token === undefined) {
    throw unusableAnswer(response, context, "the issuer's answer has no access_token in it.");
  }
  if (NEEDS_PROOF.has(token_type) && !(token_type === "dpop" && context.isBound)) {
    throw unusableAnswer(
      response,
      context,
      "the issuer's tokens are bound to a key: set dpop = true, if it means DPoP (RFC 9449), or ask it for bearer tokens.",
    );
  }
  const unfit = unfitToken(access_token);
  if (unfit !== undefined) {
    throw unusableAnswer(response, context, `the issuer's token ${unfit}.`);
  }
  return { ...found, access_token };
}

function unreadable(response: IssuerResponse, context: AnswerContext): string {
  if (isPage(response)) {
    return `the issuer answered ${describePage(response, context)}; check token_url.`;
  }
  return response.text.trim() === ""
    ? `the issuer's answer is empty (HTTP ${response.status}); check token_url.`
    : "the issuer's answer is neither JSON nor a form; check token_url.";
}
