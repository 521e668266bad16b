/** Reads an exchange's response: finds the token and its lifetime in it. */
import { omitUndefined } from "../base/omit-undefined.ts";
import {
  holderOf,
  keptValues,
  scopeAt,
  tokenAt,
  tokenTypeAt,
  whyNoToken,
} from "./answer-values.ts";
import type { Acquired, IssuerResponse } from "./grant.ts";
import { readLifetime } from "./lifetime.ts";
import { readAnswer } from "./place.ts";
import {
  type AnswerContext,
  isRejected,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";
import type { ExchangeResponse } from "./response-settings.ts";
import { unfitToken } from "./token-claims.ts";

/** Returns the token in a response. Throws the AuthdError that says why there is none. */
export function readExchangeAnswer(
  response: IssuerResponse,
  places: ExchangeResponse,
  context: AnswerContext,
): Acquired {
  const answer = readAnswer(response);
  const accessToken = tokenAt(places.token, answer, response);
  const { status } = response;
  // A redirect is read where a header or a cookie can hold the token (see `readsRedirects`).
  const isRead = (status >= 200 && status <= 299) || (status < 400 && accessToken !== undefined);
  if (!isRead || isRejected(response, context)) throw toRefusalError(response, context);
  if (accessToken === undefined || unfitToken(accessToken) !== undefined) {
    // Some APIs answer 200 and say inside that they refused.
    if (!accessToken && saysRefused(response, context)) throw toRefusalError(response, context);
    throw unusableAnswer(
      response,
      context,
      whyNoToken(response, places.token, accessToken, context),
    );
  }
  const members = holderOf(places.token, answer);
  return {
    accessToken,
    tokenType: tokenTypeAt(places.token_type, answer),
    ...omitUndefined({ scope: scopeAt(places.scope, answer) }),
    ...readLifetime({ response, answer, members, accessToken, places }, context),
    ...(places.keep && { kept: keptValues(places.keep, answer) }),
  };
}
