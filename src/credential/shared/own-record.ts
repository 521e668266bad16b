import type { CredentialRecord } from "../record.ts";

/** True if a person has changed the record on this host, and the store has not got that. */
export function isPersons({ shared }: CredentialRecord): boolean {
  return shared !== undefined && shared.generation > shared.version;
}

/** True if a person has entered what is in the record on this host, and the store never had it. */
export function isOwn({ shared }: CredentialRecord): boolean {
  if (!shared) return true;
  const { version, generation } = shared;
  // What was committed is of a generation up to its version; -1 is that of a host that joins again.
  return generation > version || (version === 0 && generation >= 0);
}
