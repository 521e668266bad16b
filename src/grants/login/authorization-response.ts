/** Reads the answer to an authorization request (RFC 6749 section 4.1.2, RFC 9207). */
import { timingSafeEqual } from "node:crypto";
import { AuthdError } from "../../errors.ts";
import { showable } from "../showable.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";
import type { LoginContext } from "./settings.ts";

/** True if the answer belongs to this request: only then it may end the sign-in, for good or bad. */
export function answers({ state }: AuthorizationRequest, parameters: URLSearchParams): boolean {
  const given = parameters.getAll("state");
  if (given.length !== 1) return false;
  const [one, other] = [Buffer.from(given[0]!), Buffer.from(state)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/**
 * Returns the code. Rejects with AuthdError `login_required` for the issuer's refusal, and for an answer of
 * another issuer.
 */
export async function codeIn(
  context: LoginContext,
  request: AuthorizationRequest,
  given: URLSearchParams,
): Promise<string> {
  const { metadata, settings, credential } = context;
  const oauth = await import("oauth4webapi");
  const parameters = new URLSearchParams(given);
  // Without `issuer` in the file there is nothing to compare it with.
  if (!metadata) parameters.delete("iss");
  const as = metadata ?? { issuer: "https://issuer.invalid" };
  const client = { client_id: settings.client_id };
  try {
    const checked = oauth.validateAuthResponse(as, client, parameters, request.state);
    const code = checked.get("code");
    if (code) return code;
  } catch (error) {
    if (error instanceof oauth.AuthorizationResponseError) {
      throw refused(context, error.error, error.error_description);
    }
    throw wrongAnswer(credential, whyWrong(given, metadata?.issuer));
  }
  throw wrongAnswer(credential, "the answer has no code in it.");
}

function whyWrong(given: URLSearchParams, issuer: string | undefined): string {
  const isTheirs = issuer !== undefined && given.get("iss") !== issuer;
  return isTheirs
    ? `the answer comes from another issuer than ${issuer}, or does not say from which.`
    : "the answer is malformed.";
}

function refused(
  { credential }: LoginContext,
  code: string,
  description: string | undefined,
): AuthdError {
  const error = /^[\w.-]{1,64}$/.test(code) ? code : "error";
  const text = showable(description, []);
  const oauth = { error, ...(text && { error_description: text }), status: 302 };
  return new AuthdError(
    "login_required",
    `${credential}: the issuer did not sign you in: ${error}${text ? ` ("${text}")` : ""}. To try again: authd login ${credential}`,
    { credential, oauth },
  );
}

/** Returns the error for an answer that is not the issuer's to this request. */
export function wrongAnswer(credential: string, what: string): AuthdError {
  return new AuthdError(
    "login_required",
    `${credential}: nobody was signed in: ${what} To try again: authd login ${credential}`,
    { credential },
  );
}
