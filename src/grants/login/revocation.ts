/** Revokes tokens at the issuer (RFC 7009). */
import { postAsClient } from "./client-request.ts";
import type { LoginContext } from "./settings.ts";

export interface HeldTokens {
  refreshToken?: string | undefined;
  accessTokens: readonly string[];
}

/**
 * Revokes the refresh token, which ends the session, and the access tokens. False if the issuer has no
 * address for it. Rejects with AuthdError.
 */
export async function revoke(context: LoginContext, tokens: HeldTokens): Promise<boolean> {
  const { revocation_url: url } = context.settings;
  if (url === undefined) return false;
  const { refreshToken, accessTokens } = tokens;
  const all = [
    ...(refreshToken ? [{ token: refreshToken, token_type_hint: "refresh_token" }] : []),
    ...accessTokens.map((token) => ({ token, token_type_hint: "access_token" })),
  ];
  for (const each of all) {
    const form = new URLSearchParams(each);
    await postAsClient(context, { url, urlKey: "revocation_url", form });
  }
  return true;
}
