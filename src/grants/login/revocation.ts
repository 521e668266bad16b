/** Revokes tokens at the issuer (RFC 7009). */
import { AuthdError } from "../../errors.ts";
import { postAsClient } from "./client-request.ts";
import type { LoginContext } from "./settings.ts";

export interface HeldTokens {
  refreshToken?: string | undefined;
  accessTokens: readonly string[];
}

/** What became of the tokens. `session`: access tokens can't be revoked there, and live until they expire. */
export type Revoked = "all" | "session" | "none";

/**
 * Revokes the refresh token, which ends the session, and the access tokens; none if the issuer has no
 * address for it. Rejects with AuthdError.
 */
export async function revoke(context: LoginContext, tokens: HeldTokens): Promise<Revoked> {
  const { revocation_url: url } = context.settings;
  if (url === undefined) return "none";
  const { refreshToken, accessTokens } = tokens;
  const all = [
    ...(refreshToken ? [{ token: refreshToken, token_type_hint: "refresh_token" }] : []),
    ...accessTokens.map((token) => ({ token, token_type_hint: "access_token" })),
  ];
  let revoked: Revoked = "all";
  for (const each of all) {
    const form = new URLSearchParams(each);
    try {
      await postAsClient(context, { url, urlKey: "revocation_url", form });
    } catch (error) {
      const isAccess = each.token_type_hint === "access_token" && refreshToken !== undefined;
      if (!(isAccess && isUnsupported(error))) throw error;
      revoked = "session";
    }
  }
  return revoked;
}

/** True for an issuer that revokes no tokens of this type (RFC 7009 section 2.2.1). */
function isUnsupported(error: unknown): boolean {
  return error instanceof AuthdError && error.oauth?.error === "unsupported_token_type";
}
