/** Builds the errors of refusals that stop a credential or a slot. */

import { omitUndefined } from "../base/omit-undefined.ts";
import { stripControlChars } from "../base/terminal-safe.ts";
import { AuthdError } from "../errors.ts";
import type { TokenTarget } from "./record.ts";

/** Returns the error of the last of several refusals in a row: nothing is sent until a person acts. */
export function finalRefusal(failure: AuthdError, credential: string, times: number): AuthdError {
  const what = `the issuer refused what was sent ${times} times in a row (${issuersWords(failure)})`;
  return restated(
    failure,
    "credential_rejected",
    `"${credential}" got no token${from(failure)}: ${what}. Check its settings and enter its secrets again with: authd set ${credential} (as it is, once more: authd refresh ${credential})`,
  );
}

/** Returns the error of a refused scope or audience of a caller: the credential itself is not stopped. */
export function refusedTarget(
  failure: AuthdError,
  credential: string,
  { scope, audience }: TokenTarget,
): AuthdError {
  const asked = [
    ...(scope === undefined ? [] : [`scope "${shortened(scope)}"`]),
    ...(audience === undefined ? [] : [`audience "${shortened(audience)}"`]),
  ].join(" and ");
  return restated(
    failure,
    failure.reason,
    `${credential}: the issuer refused the ${asked} that a program asked for (${issuersWords(failure)}). The credential itself is not stopped. Let the program ask for another one, or allow this one at the issuer and run: authd refresh ${credential}`,
  );
}

/** Returns the error of a person's retry that failed: the credential stays stopped. */
export function stillStopped(failure: AuthdError, credential: string): AuthdError {
  const what = failure.message.replace(/ authd tries again by itself\.$/, "");
  return restated(
    failure,
    failure.reason,
    `${what} It was refused before, so authd does not go on trying; once more: authd refresh ${credential}`,
  );
}

function restated(
  { credential, oauth, endpoint, contact }: AuthdError,
  reason: AuthdError["reason"],
  message: string,
): AuthdError {
  return new AuthdError(reason, message, omitUndefined({ credential, oauth, endpoint, contact }));
}

function from({ endpoint }: AuthdError): string {
  return endpoint === undefined ? "" : ` from ${endpoint}`;
}

function issuersWords({ contact, message }: AuthdError): string {
  return contact?.refusal ?? message;
}

function shortened(text: string): string {
  const clean = stripControlChars(text);
  return clean.length > 100 ? `${clean.slice(0, 99)}…` : clean;
}
