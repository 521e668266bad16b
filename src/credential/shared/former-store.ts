import type { CredentialSettings } from "../../config/settings.ts";
import { AuthdError } from "../../errors.ts";
import { rotatingSecret } from "../../grants/index.ts";
import type { CredentialDeps } from "../credential-deps.ts";
import type { CredentialRecord } from "../record.ts";
import { isOwn } from "./own-record.ts";

/**
 * Throws AuthdError `issuer_unavailable` if the refresh token came from a store, or went there, that config.toml names no
 * more: its hosts may have spent it.
 */
export function assertNotOthers(
  { formerStore }: CredentialDeps,
  settings: CredentialSettings,
  record: CredentialRecord,
): void {
  if (formerStore === undefined || isOwn(record)) return;
  if (refreshTokenOf(settings, record) === undefined) return;
  const { name } = settings;
  throw new AuthdError(
    "issuer_unavailable",
    `${name}: its refresh token is not spent, as hosts of the store ${formerStore} may spend it, and [store] is not in config.toml any more. Put it back and restart, or enter another refresh token: authd set ${name}`,
    { credential: name },
  );
}

/** Changes a record that is shared no more: a refresh token that a person enters is this host's own. */
export function changeAlone(
  settings: CredentialSettings,
  change: (record: CredentialRecord) => void,
): (record: CredentialRecord) => void {
  return (record) => {
    const before = refreshTokenOf(settings, record);
    change(record);
    if (refreshTokenOf(settings, record) !== before) delete record.shared;
  };
}

function refreshTokenOf(settings: CredentialSettings, { secrets }: CredentialRecord) {
  const rotates = rotatingSecret(settings);
  return rotates === undefined ? undefined : secrets[rotates];
}
