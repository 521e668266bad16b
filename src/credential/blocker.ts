import { type CredentialSettings, FROM_CONFIG } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { State } from "../protocol.ts";
import { knownMetadata, movedIssuer, offeredMetadata } from "./issuer-metadata.ts";
import { type CredentialRecord, isBinding, UNBOUND } from "./record.ts";

/** The reason why a credential can't be used until a person acts. */
export interface Blocker {
  state: State;
  error: AuthdError;
}

/** Returns what keeps these settings from being used with this record; `record` is undefined if none was ever sealed. */
export function findBlocker(
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
): Blocker | undefined {
  const { name, secrets, binding } = settings;
  const missing = secrets.filter((field) => !field.optional && !record?.secrets[field.name]);
  if (missing.length > 0) {
    const names = missing.map((field) => field.name).join(", ");
    const message = `${name}: ${names} was never entered; run: authd set ${name}`;
    const error = new AuthdError("login_required", message, { credential: name });
    return { state: "login_required", error };
  }
  const known = record ?? { secrets: {}, binding: UNBOUND, tokens: [] };
  // Without any secret there is nothing that could go elsewhere.
  if (isBinding(settings, known) && known.binding !== binding) {
    return { state: "changed", error: changed(settings, known) };
  }
  const offered = record && offeredMetadata(settings, record);
  if (offered) {
    const error = movedIssuer(settings, knownMetadata(settings, record)!, offered);
    return { state: "changed", error };
  }
  if (!grantNamed(settings.grant).signsIn || record?.session) return undefined;
  const message = `${name}: nobody has signed in; run: authd login ${name}`;
  const error = new AuthdError("login_required", message, { credential: name });
  return { state: "login_required", error };
}

/** Returns the blocker for a record that could not be read: `error` is `vault_locked` or `credential_damaged`. */
export function unreadable(error: AuthdError): Blocker {
  return { state: error.reason === "vault_locked" ? "locked" : "damaged", error };
}

/** Returns the error for callers of a credential that was removed. */
export function removed(name: string): AuthdError {
  return new AuthdError("unknown_credential", `${name}: it was removed meanwhile`, {
    credential: name,
  });
}

/** Returns the error for settings that `record` is not bound to: it names the file that was edited, and its keys. */
export function changed(
  { name, preset, boundValues, written: is }: CredentialSettings,
  { written: was, binding }: Readonly<CredentialRecord>,
): AuthdError {
  if (binding === UNBOUND && boundValues.subject !== undefined) return notAgreed(name);
  const keys = Object.keys({ ...was, ...is }).filter((key) => was?.[key] !== is[key]);
  const edited = was && keys.length > 0 ? editedFiles(keys) : editedElsewhere(preset, was);
  return new AuthdError(
    "credential_changed",
    `${name}: ${edited} since its secrets were entered, so that they might go elsewhere; look at it, then run: authd trust ${name}`,
    { credential: name },
  );
}

function notAgreed(name: string): AuthdError {
  return new AuthdError(
    "credential_changed",
    `${name}: its file says what token is read and where it is sent (subject), and nobody has agreed to that yet; look at it, then run: authd trust ${name}`,
    { credential: name },
  );
}

/** Names the preset if neither file has another key; a record of an earlier version tells nothing of keys. */
function editedElsewhere(preset: string | undefined, was: object | undefined): string {
  if (preset !== undefined && was) return `its preset ${preset} was edited`;
  return `its file, ${preset === undefined ? "" : "its preset, "}or config.toml, was edited`;
}

function editedFiles(keys: readonly string[]): string {
  const list = (names: readonly string[]) => [...names].sort().join(", ");
  const config = keys.flatMap((key) =>
    key.startsWith(FROM_CONFIG) ? [key.slice(FROM_CONFIG.length)] : [],
  );
  const own = keys.filter((key) => !key.startsWith(FROM_CONFIG));
  return [
    ...(own.length > 0 ? [`its file was edited (${list(own)})`] : []),
    ...(config.length > 0 ? [`config.toml was edited (${list(config)})`] : []),
  ].join(" and ");
}
