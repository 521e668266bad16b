/** Checks ID tokens (OpenID Connect Core section 3.1.3.7): signature, issuer, audience, nonce and times. */
import { AuthdError } from "../../errors.ts";
import { readMembers } from "../oauth-problem.ts";
import { wrongAnswer } from "./authorization-response.ts";
import type { LoginContext } from "./settings.ts";

/** Seconds by which clocks may differ. */
const TOLERANCE_S = 60;
const SYMMETRIC = ["HS256", "HS384", "HS512"];

/** Who signed in, as the issuer says it. */
export interface Account {
  iss: string;
  sub: string;
  /** For people: an address or a name. */
  name?: string;
}

export interface IdTokenCheck {
  idToken: string;
  /** Absent in the device flow. */
  nonce?: string | undefined;
  /** The issuer's wall clock, ms. */
  issuerNow: number;
}

/** Rejects with AuthdError `login_required` for an ID token that is not for this sign-in. */
export async function checkIdToken(context: LoginContext, check: IdTokenCheck): Promise<Account> {
  const { settings, credential, metadata } = context;
  const jose = await import("jose");
  let claims: Record<string, unknown>;
  try {
    claims = metadata
      ? await verified(context, check)
      : // Without `issuer`, TLS alone vouches: the token endpoint is the file's own.
        jose.decodeJwt(check.idToken);
  } catch (error) {
    if (error instanceof AuthdError) throw error;
    // Other errors come of keys that the algorithm can't use.
    const code = error instanceof jose.errors.JOSEError ? ` (${error.code})` : "";
    throw wrongAnswer(credential, `its ID token is not valid${code}.`);
  }
  const why = whyNotOurs(claims, settings, check);
  if (why !== undefined) throw wrongAnswer(credential, `its ID token ${why}.`);
  const { iss, sub } = claims;
  const name = [claims.email, claims.preferred_username, claims.name].find(isText);
  return { iss: String(iss), sub: String(sub), ...(isText(name) && { name: name.slice(0, 256) }) };
}

async function verified(context: LoginContext, { idToken, issuerNow }: IdTokenCheck) {
  const { settings, metadata, secrets, credential } = context;
  const jose = await import("jose");
  const options = {
    issuer: metadata!.issuer,
    audience: settings.client_id,
    clockTolerance: TOLERANCE_S,
    currentDate: new Date(issuerNow),
    requiredClaims: ["sub", "iat", "exp"],
  };
  const { alg = "" } = jose.decodeProtectedHeader(idToken);
  if (SYMMETRIC.includes(alg)) {
    // Without a secret anybody could sign.
    if (!secrets.client_secret) throw wrongAnswer(credential, "its ID token is not valid.");
    const key = new TextEncoder().encode(secrets.client_secret);
    return (await jose.jwtVerify(idToken, key, { ...options, algorithms: SYMMETRIC })).payload;
  }
  const keys = jose.createLocalJWKSet(await readKeys(context));
  return (await jose.jwtVerify(idToken, keys, options)).payload;
}

/** Reads the issuer's keys anew for each sign-in: they are replaced now and then. */
async function readKeys({ credential, metadata, send }: LoginContext) {
  const url = metadata?.jwks_uri;
  if (url === undefined) throw wrongAnswer(credential, "its issuer names no jwks_uri.");
  const headers = { accept: "application/jwk-set+json, application/json" };
  const response = await send({ method: "GET", url, headers, urlKey: "issuer", repeatable: true });
  const keys = response.status === 200 ? readMembers(response.text)?.keys : undefined;
  if (Array.isArray(keys)) return { keys: keys.filter((key) => typeof key === "object" && key) };
  throw wrongAnswer(credential, "its issuer's keys could not be read.");
}

function whyNotOurs(
  claims: Record<string, unknown>,
  { client_id, max_age }: LoginContext["settings"],
  { nonce, issuerNow }: IdTokenCheck,
): string | undefined {
  if (!isText(claims.sub)) return "names nobody";
  const isOver = Number(claims.exp ?? Number.NaN) + TOLERANCE_S <= issuerNow / 1_000;
  if (isOver) return "has expired";
  const audience = [claims.aud ?? []].flat();
  if (!audience.includes(client_id)) return "is for another client";
  const isOthers = claims.azp === undefined ? audience.length > 1 : claims.azp !== client_id;
  if (isOthers) return "was issued to another client";
  if (nonce !== undefined && claims.nonce !== nonce) return "belongs to another sign-in (nonce)";
  if (max_age === undefined) return undefined;
  const { auth_time } = claims;
  const isRecent =
    typeof auth_time === "number" && auth_time + max_age + TOLERANCE_S >= issuerNow / 1_000;
  return isRecent ? undefined : "is about a sign-in that is older than max_age";
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
