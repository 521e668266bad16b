/**
 * Reads token responses (RFC 6749 section 5.1). Issuers get many small things wrong that do no harm, and
 * oauth4webapi refuses most of them; it also keeps whole bodies in its errors. Therefore a tolerant reader
 * normalizes the response first, and oauth4webapi checks the result strictly.
 */
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { Acquired, IssuerResponse } from "./grant.ts";
import { readLifetime } from "./lifetime.ts";
import { readMembers } from "./oauth-problem.ts";
import { readAnswer } from "./place.ts";
import {
  type AnswerContext,
  isPage,
  saysRefused,
  toRefusalError,
  unusableAnswer,
} from "./refusal.ts";
import { unfitToken } from "./token-claims.ts";

/** Token types that bind the token to a key or a signature: useless as a plain header. */
const NEEDS_PROOF = new Set(["dpop", "mac", "pop"]);

/** Returns the token in a response. Rejects with the AuthdError that says why there is none. */
export async function readTokenAnswer(
  response: IssuerResponse,
  context: AnswerContext,
): Promise<Acquired> {
  const { status, text } = response;
  const members = readMembers(text);
  // Some issuers send errors with status 200, and tokens with 201.
  const isError = !members?.access_token && saysRefused(response, context);
  if (status < 200 || status > 299 || isError) throw toRefusalError(response, context);
  if (members === undefined) throw unusableAnswer(context, unreadable(response));
  const answer = await validateAnswer(normalize(members), context);
  const refreshToken = context.refreshing ? answer.refresh_token : undefined;
  const accessToken = answer.access_token;
  const source = { response, answer: readAnswer(response), members, accessToken };
  return {
    ...{ accessToken, tokenType: "Bearer" },
    ...omitUndefined({ scope: answer.scope, refreshToken }),
    ...readLifetime(source, context),
  };
}

/** Leaves out empty strings, nulls and impossible values. */
function normalize(members: Record<string, unknown>): Record<string, unknown> {
  const { scope } = members;
  return {
    access_token: nonEmptyString(members.access_token),
    token_type: tokenType(members.token_type),
    refresh_token: nonEmptyString(members.refresh_token),
    // RFC 6749 has one string; some issuers send a list.
    scope: nonEmptyString(Array.isArray(scope) ? scope.filter(isString).join(" ") : scope),
  };
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function nonEmptyString(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** Returns the token type; `bearer` if it is missing, or one of the many other words that issuers use for it. */
function tokenType(value: unknown): string {
  const type = nonEmptyString(value)?.toLowerCase() ?? "bearer";
  return NEEDS_PROOF.has(type) ? type : "bearer";
}

/** Checks a response with oauth4webapi. Its errors quote the body, so nothing of them is kept. */
async function validateAnswer(answer: Record<string, unknown>, context: AnswerContext) {
  const oauth = await import("oauth4webapi");
  const issuer = { issuer: "https://issuer.invalid" };
  const client = { client_id: context.credential };
  const dpop = () => {
    throw new oauth.UnsupportedOperationError("dpop");
  };
  try {
    const response = Response.json(answer);
    const result = await oauth.processGenericTokenEndpointResponse(issuer, client, response, {
      recognizedTokenTypes: { dpop },
    });
    const unfit = unfitToken(result.access_token);
    if (unfit === undefined) return result;
    throw unusableAnswer(context, `the issuer's token ${unfit}.`);
  } catch (error) {
    if (error instanceof AuthdError) throw error;
    throw unusableAnswer(
      context,
      error instanceof oauth.UnsupportedOperationError
        ? "the issuer's tokens are bound to a key, which authd can't use: ask it for bearer tokens."
        : "the issuer's answer has no access_token in it.",
    );
  }
}

function unreadable(response: IssuerResponse): string {
  if (isPage(response)) {
    return `the issuer answered a page for people instead of a token (HTTP ${response.status}); check token_url.`;
  }
  return response.text.trim() === ""
    ? `the issuer's answer is empty (HTTP ${response.status}); check token_url.`
    : "the issuer's answer is neither JSON nor a form; check token_url.";
}
