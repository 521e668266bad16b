/** Checks what a person enters for a credential, before any of it is written. */
import { randomBytes } from "node:crypto";
import { didYouMean } from "../base/suggest.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { changed } from "../credential/blocker.ts";
import { type CredentialRecord, isBinding } from "../credential/record.ts";
import { AuthdError } from "../errors.ts";
import type { ParamsOf } from "../protocol.ts";

const MAX_SECRET_BYTES = 64 * 1024;

/** Returns the preset or the grant. Throws AuthdError `invalid_params` unless it is exactly one of them. */
export function credentialTypeOf({ name, preset, grant }: ParamsOf<"credentials/add">) {
  if ((preset === undefined) === (grant === undefined)) {
    throw new AuthdError("invalid_params", `${name}: name either a preset or a grant`, {
      credential: name,
    });
  }
  return preset === undefined ? { grant } : { preset };
}

/** Throws AuthdError `credential_changed` if the file is not as it was when the secrets were bound to it. */
export function assertTrusted(
  settings: CredentialSettings,
  record: Readonly<CredentialRecord>,
): void {
  if (!isBinding(settings, record)) return;
  if (record.binding === settings.binding) return;
  throw changed(settings, record);
}

/** Adds a generated password for `--register`: `before` if one was generated already. A given one wins. */
export function withGenerated(
  { name, secrets = {}, register }: ParamsOf<"credentials/add">,
  settings: CredentialSettings,
  before: string | undefined,
): Record<string, string> {
  if (!register) return secrets;
  if (!settings.register) {
    throw new AuthdError(
      "invalid_params",
      `${name}: this preset has no way to register an account`,
      {
        credential: name,
      },
    );
  }
  const made = { [settings.register.generates]: before ?? randomBytes(24).toString("base64url") };
  return { ...made, ...secrets };
}

/** Returns the given secrets. Throws AuthdError `invalid_params` for one that is unknown, empty or too long. */
export function enteredSecrets(
  { name, secrets: fields }: CredentialSettings,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const known = fields.map((field) => field.name);
  for (const [key, value] of Object.entries(given)) {
    const problem = !known.includes(key)
      ? `it has no secret "${key.slice(0, 64)}".${didYouMean(key, known)}`
      : value === ""
        ? `the secret ${key} is empty`
        : Buffer.byteLength(value) > MAX_SECRET_BYTES
          ? `the secret ${key} is longer than 64 KiB`
          : undefined;
    if (problem)
      throw new AuthdError("invalid_params", `${name}: ${problem}`, { credential: name });
  }
  return { ...given };
}

/** Throws AuthdError `invalid_params` if a secret is missing that the credential needs. */
export function assertComplete(
  { name, secrets: fields }: CredentialSettings,
  secrets: Readonly<Record<string, string>>,
): void {
  const missing = fields.filter((field) => !field.optional && !secrets[field.name]);
  if (missing.length === 0) return;
  const names = missing.map((field) => field.name).join(", ");
  throw new AuthdError(
    "invalid_params",
    `${name}: missing ${names}; type it when authd asks for it on a terminal, or give --secrets-from FILE`,
    { credential: name },
  );
}
