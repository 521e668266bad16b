import type { CredentialSettings } from "../../config/settings.ts";
import { AuthdError } from "../../errors.ts";
import type { CredentialDeps } from "../credential-deps.ts";
import type { CredentialRecord } from "../record.ts";
import { isAlone } from "./alone.ts";
import { isOutside, refreshTokenOf } from "./own-record.ts";

/**
 * Throws AuthdError `issuer_unavailable` if the refresh token came from a store, or went there, that config.toml names no
 * more: its hosts may have spent it. So they may where a person has entered other secrets than that on this host alone.
 */
export function assertNotOthers(
  { formerStore }: CredentialDeps,
  settings: CredentialSettings,
  record: CredentialRecord,
): void {
  if (formerStore === undefined && !isAlone(record)) return;
  if (isOutside(record)) return;
  if (refreshTokenOf(settings, record) === undefined) return;
  const { name } = settings;
  if (formerStore === undefined) throw kept(name);
  throw new AuthdError(
    "issuer_unavailable",
    `${name}: its refresh token is not spent, as hosts of the store ${formerStore} may spend it, and [store] is not in config.toml any more. Put it back and restart, or enter another refresh token: authd set ${name}`,
    { credential: name },
  );
}

function kept(credential: string): AuthdError {
  const message = `${credential}: its refresh token is not spent, as hosts of the store may spend it, and its other secrets were entered on this host alone. Enter another one (authd set ${credential}), or take what the store has: authd remove ${credential}`;
  return new AuthdError("issuer_unavailable", message, { credential });
}
