/** What a restricted socket lets through. The rules of each credential count as well. */
import type { RestrictedSocket } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { SAFE_METHODS } from "../http/http.ts";
import type { Use } from "./policy.ts";

/** Throws AuthdError `caller_not_allowed` or `token_not_exposed`. Without `use`, for any use. */
export function assertOffered(credential: string, socket: RestrictedSocket, use?: Use): void {
  const denial = denialOf(credential, socket, use);
  if (denial) throw denial;
}

export function isOffered(credential: string, socket: RestrictedSocket, use?: Use): boolean {
  return denialOf(credential, socket, use) === undefined;
}

function denialOf(
  credential: string,
  { name, credentials, expose, readOnly }: RestrictedSocket,
  use: Use | undefined,
): AuthdError | undefined {
  // No more is repeated of a name that anybody may have made up.
  const shown = credential.slice(0, 64);
  const deny = (reason: "caller_not_allowed" | "token_not_exposed", text: string) =>
    new AuthdError(reason, `${shown}: ${text}.`, { credential: shown });
  if (!credentials.includes(credential))
    return deny("caller_not_allowed", `the socket ${name} does not offer it`);
  if (use?.kind === "token" && expose === "request") {
    const text = `the socket ${name} hands out no token, but sends requests: authd request ${shown} URL`;
    return deny("token_not_exposed", text);
  }
  if (use?.kind !== "request" || !readOnly) return undefined;
  if (!SAFE_METHODS.has(use.method))
    return deny(
      "caller_not_allowed",
      `the socket ${name} is read-only: ${[...SAFE_METHODS].join(", ")}`,
    );
  if (use.override === undefined) return undefined;
  const text = `the socket ${name} is read-only, and the header ${use.override} could make another method of it`;
  return deny("caller_not_allowed", text);
}
