/** Signs authorization requests as request objects (RFC 9101). */
import { AuthdError } from "../../errors.ts";
import { readSigningKey } from "../signing-key.ts";
import type { LoginContext } from "./settings.ts";

/** Name of the secret with the private key. */
const KEY = "request_object_key";

/** Seconds that a request object may travel. */
const LIFETIME_S = 60;

/** Returns the parameters as a signed JWT. Rejects with AuthdError `invalid_params` without a key for it. */
export async function signRequest(
  context: LoginContext,
  parameters: URLSearchParams,
): Promise<string> {
  const { settings, metadata, now } = context;
  const { SignJWT } = await import("jose");
  const alg = settings.request_object_alg ?? "HS256";
  const claims: Record<string, string | string[]> = {};
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    claims[name] = values.length > 1 ? values : values[0]!;
  }
  const issuedAt = Math.floor(now / 1_000);
  const { randomUUID } = await import("node:crypto");
  return await new SignJWT(claims)
    .setProtectedHeader({ alg, typ: "oauth-authz-req+jwt" })
    .setIssuer(settings.client_id)
    .setAudience(metadata?.issuer ?? new URL(settings.authorization_url ?? "").origin)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + LIFETIME_S)
    .setJti(randomUUID())
    .sign(await keyOf(context, alg));
}

async function keyOf({ credential, secrets }: LoginContext, alg: string) {
  if (alg === "HS256") {
    if (secrets.client_secret) return new TextEncoder().encode(secrets.client_secret);
    throw new AuthdError(
      "invalid_params",
      `${credential}: its issuer wants signed requests: enter client_secret, or set request_object_alg and enter request_object_key: authd set ${credential}`,
      { credential },
    );
  }
  try {
    return readSigningKey(secrets.request_object_key ?? "", KEY, { algorithm: alg }).key;
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    throw new AuthdError(
      error.reason,
      `${credential}: ${error.message} (authd set ${credential})`,
      {
        credential,
      },
    );
  }
}
