/** Signs authorization requests as request objects (RFC 9101). */
import { randomUUID } from "node:crypto";
import { AuthdError } from "../../errors.ts";
import { signJwt } from "../sign-jwt.ts";
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
  const algorithm = settings.request_object_alg ?? "HS256";
  const claims: Record<string, string | number | string[]> = {};
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    claims[name] = values.length > 1 ? values : values[0]!;
  }
  // Numbers are numbers there (RFC 9101 section 4).
  if (claims.max_age !== undefined) claims.max_age = Number(claims.max_age);
  const iat = Math.floor(now / 1_000);
  return await signJwt({
    key: keyOf(context, algorithm),
    header: { typ: "oauth-authz-req+jwt" },
    claims: {
      ...claims,
      iss: settings.client_id,
      aud: metadata?.issuer ?? new URL(settings.authorization_url ?? "").origin,
      ...{ iat, nbf: iat, exp: iat + LIFETIME_S, jti: randomUUID() },
    },
  });
}

function keyOf({ credential, secrets }: LoginContext, algorithm: string) {
  if (algorithm === "HS256") {
    if (secrets.client_secret) return { algorithm, secret: secrets.client_secret };
    throw new AuthdError(
      "invalid_params",
      `${credential}: its issuer wants signed requests: enter client_secret, or set request_object_alg and enter request_object_key: authd set ${credential}`,
      { credential },
    );
  }
  try {
    return readSigningKey(secrets.request_object_key ?? "", KEY, { algorithm });
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
