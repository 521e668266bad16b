/** The ways in which a sign-in comes to nothing, beside the issuer's refusal. */
import { AuthdError } from "../../errors.ts";
import type { Reason } from "../../protocol.ts";

const error = (reason: Reason, what: string) => (credential: string) =>
  new AuthdError(reason, `${credential}: ${what.replaceAll("NAME", credential)}`, { credential });

export const loginErrors = {
  cancelled: error("cancelled", "the sign-in was ended"),
  replaced: error("cancelled", "another sign-in was begun in place of this one"),
  ending: error("shutting_down", "authd ends before the sign-in is done"),
  locked: error(
    "vault_locked",
    "the vault was locked before the sign-in was done; authd unlock, then authd login NAME",
  ),
  expired: error(
    "timeout",
    "nobody signed in in time; what was there before is still in use. To try again: authd login NAME",
  ),
  notDone: error("timeout", "the sign-in in the browser is not done yet; ask again when it is"),
  noBrowser: error("login_required", "no browser could be opened; sign in with: authd login NAME"),
  takesNoAddress: error(
    "invalid_params",
    "this sign-in takes no address: it ends when you are done on the other device",
  ),
};

export function noSuchLogin(): AuthdError {
  return new AuthdError(
    "invalid_params",
    "There is no such sign-in: it ended a while ago, or authd was restarted; begin another (authd login NAME)",
  );
}
