/** Decides how a person signs in, and what may be asked for. */
import { isScope } from "../../base/scope.ts";
import type { Credential } from "../../credential/credential.ts";
import { AuthdError } from "../../errors.ts";
import { grantNamed } from "../../grants/index.ts";
import type { LoginFlow, SignInDemand } from "../../protocol.ts";

/** Throws AuthdError `invalid_params` for words that can't be sent. */
export function checkedDemand(credential: string, demand: SignInDemand): SignInDemand {
  const { scope, acrValues } = demand;
  for (const [name, words] of Object.entries({ scope, acrValues })) {
    if (words === undefined || isScope(words)) continue;
    const message = `${credential}: ${name} must be words separated by spaces`;
    throw new AuthdError("invalid_params", message, { credential });
  }
  return demand;
}

/** Returns the way of signing in. Throws AuthdError `invalid_params` for one that can't be. */
export function flowFor(
  { name, settings }: Credential,
  how: LoginFlow | undefined,
  { acrValues, maxAge }: SignInDemand,
): LoginFlow {
  const flows = grantNamed(settings.grant).signsIn ?? [];
  const chosen = how ?? flows[0];
  if (chosen === "device" && (acrValues !== undefined || maxAge !== undefined)) {
    const message = `${name}: the device flow has no place for acrValues and maxAge: sign in with a browser, or by a pasted address`;
    throw new AuthdError("invalid_params", message, { credential: name });
  }
  if (chosen !== undefined && flows.includes(chosen)) return chosen;
  const why =
    flows.length === 0
      ? `nobody signs in for the grant ${settings.grant}: its secrets are entered with authd set ${name}`
      : `the grant ${settings.grant} signs in by ${flows.join(", ")} only`;
  throw new AuthdError("invalid_params", `${name}: ${why}`, { credential: name });
}
