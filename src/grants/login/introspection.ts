/** Asks the issuer what it knows of a token (RFC 7662). */
import { AuthdError, messageOf } from "../../errors.ts";
import type { IntrospectResult, Json } from "../../protocol.ts";
import { readMembers } from "../oauth-problem.ts";
import { reveals } from "../redaction.ts";
import { postAsClient } from "./client-request.ts";
import type { LoginContext } from "./settings.ts";

/** Members that would be tokens. */
const TOKENS = new Set(["token", "access_token", "refresh_token", "id_token"]);

/** Rejects with AuthdError: `invalid_params` if the issuer has no address for it. */
export async function introspect(
  context: LoginContext,
  accessToken: string,
): Promise<IntrospectResult> {
  const { credential, settings, secrets, held } = context;
  const { introspection_url: url } = settings;
  if (url === undefined) throw withoutAddress(credential, settings.issuer);
  const form = new URLSearchParams({ token: accessToken, token_type_hint: "access_token" });
  const request = { url, urlKey: "introspection_url", form };
  const response = await postAsClient(context, request).catch((error) => {
    throw failed(credential, error);
  });
  const members = readMembers(response.text);
  if (typeof members?.active !== "boolean") {
    throw failed(credential, new Error("the answer does not say whether the token is active."));
  }
  const hidden = [...Object.values(secrets), ...held, accessToken];
  const shown = Object.entries(members).filter(
    ([name, value]) => !TOKENS.has(name) && isShowable(value, hidden),
  );
  return { active: members.active, members: Object.fromEntries(shown) as Record<string, Json> };
}

/** False for what holds the token, a secret, or something that looks like another token. */
function isShowable(value: unknown, hidden: readonly string[]): boolean {
  const text = JSON.stringify(value);
  return !/eyJ[\w-]{8}/.test(text) && !reveals(text, hidden);
}

function withoutAddress(credential: string, issuer: string | undefined): AuthdError {
  const why = issuer === undefined ? "its file gives none" : `${issuer} names none`;
  return new AuthdError(
    "invalid_params",
    `${credential}: there is no address to introspect tokens at: ${why}; authd set ${credential} --set introspection_url=…`,
    { credential },
  );
}

function failed(credential: string, error: unknown): AuthdError {
  const isAway = error instanceof AuthdError && error.reason === "issuer_unavailable";
  return new AuthdError(
    isAway ? "issuer_unavailable" : "request_failed",
    `${credential}: its token could not be introspected, and is in use as before: ${messageOf(error)}`,
    { credential },
  );
}
