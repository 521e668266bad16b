/** Gets the token that a tool asks for, and reads out of it what the tool can send. */
import { AuthdError } from "../errors.ts";
import type { GetTokenResult } from "../protocol.ts";
import type { Found, HelperCall } from "./helper.ts";
import { type Place, parsePlace } from "./places.ts";

interface FoundToken extends Found {
  token: GetTokenResult;
}

/** Gets the token for a URL or a host. Resolves with undefined if no credential is for it. */
export async function findToken(call: HelperCall, text: string): Promise<FoundToken | undefined> {
  const place = placeIn(text);
  const found = place && (await call.credentialFor(place));
  if (!found) return undefined;
  return { ...found, token: await call.getToken({ credential: found.credential }) };
}

/** Returns undefined for addresses of other protocols, such as `ssh:` and `file:`. */
function placeIn(text: string): Place | undefined {
  try {
    return parsePlace(text);
  } catch {
    return undefined;
  }
}

/** Returns the value of the Authorization header. Throws AuthdError `invalid_params` if the API wants none. */
export function authorizationOf(credential: string, { headers }: GetTokenResult): string {
  const value = headers.authorization;
  if (value !== undefined) return value;
  const sent = Object.keys(headers).join(", ") || "no header";
  throw new AuthdError(
    "invalid_params",
    `${credential}: its API takes ${sent}, and this tool sends nothing but Authorization.`,
    { credential },
  );
}

/** Returns the two parts of a Basic Authorization header; without one, `username` and the token. */
export function userAndPassword(
  { headers, accessToken }: GetTokenResult,
  username: string,
): { username: string; password: string } {
  const encoded = /^basic\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const decoded = encoded && Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded ? decoded.indexOf(":") : -1;
  if (!decoded || colon < 0) return { username, password: accessToken };
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}
