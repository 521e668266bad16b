import type { CredentialSettings } from "../../config/settings.ts";
import { rotatingSecret } from "../../grants/index.ts";
import type { CredentialRecord } from "../record.ts";

/** True if a person has changed the record on this host, and the store has not got that. */
export function isPersons({ shared }: CredentialRecord): boolean {
  return shared !== undefined && shared.generation > shared.version;
}

/**
 * True if no store ever had what is in the record, its refresh token above all. Of a change that waits for the store it may
 * have come there, and only the answer did not.
 */
export function isOutside({ shared }: CredentialRecord): boolean {
  return !shared || (shared.alone === true && !shared.keepsToken);
}

/** True if a person has entered what is in the record on this host, and the store never had it. */
export function isOwn({ shared }: CredentialRecord): boolean {
  if (!shared) return true;
  const { version, generation } = shared;
  // What was committed is of a generation up to its version; -1 is that of a host that joins again.
  return generation > version || (version === 0 && generation >= 0);
}

/** Returns the refresh token that is spent with these settings; undefined if there is none that rotates. */
export function refreshTokenOf(
  settings: CredentialSettings,
  { secrets }: CredentialRecord,
): string | undefined {
  const rotates = rotatingSecret(settings);
  return rotates === undefined ? undefined : secrets[rotates];
}
