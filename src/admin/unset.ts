/** Keys that a person takes away from a credential: settings of its file, and optional secrets. */
import { didYouMean } from "../base/suggest.ts";
import { isTable, type Table } from "../config/json-table.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";

export interface Unset {
  /** Null for each setting, which removes it from a file. */
  settings: Record<string, null>;
  /** Names of secrets to drop. */
  secrets: string[];
}

/** Tells settings from secrets; throws AuthdError `invalid_params` for a key that can't be taken away. */
export function unsetKeys(
  { name, secrets: fields }: Pick<CredentialSettings, "name" | "secrets">,
  file: Table,
  keys: readonly string[],
): Unset {
  const refuse = (message: string) =>
    new AuthdError("invalid_params", `${name}: ${message}`, { credential: name });
  const unset: Unset = { settings: {}, secrets: [] };
  for (const key of keys) {
    const field = fields.find((one) => one.name === key);
    if (field?.optional) unset.secrets.push(key);
    else if (field) throw refuse(`it needs the secret ${key}: authd set ${name} replaces it`);
    else if (hasKey(file, key)) unset.settings[key] = null;
    else {
      const optional = fields.filter((one) => one.optional).map((one) => one.name);
      const hint = didYouMean(key, [...Object.keys(file), ...optional]);
      throw refuse(`its file does not set "${key.slice(0, 64)}".${hint}`);
    }
  }
  return unset;
}

function hasKey(file: Table, dotted: string): boolean {
  let value: unknown = file;
  for (const key of dotted.split(".")) {
    if (!isTable(value) || !Object.hasOwn(value, key)) return false;
    value = value[key];
  }
  return true;
}

/** Returns `secrets` without those named `dropped`. */
export function withoutSecrets(
  secrets: Readonly<Record<string, string>>,
  dropped: readonly string[],
): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets).filter(([name]) => !dropped.includes(name)));
}

/** Throws AuthdError `invalid_params` if a secret is to be dropped that is entered in the same change. */
export function assertNoneEntered(
  name: string,
  dropped: readonly string[],
  entered: Readonly<Record<string, string>>,
): void {
  const both = dropped.find((key) => Object.hasOwn(entered, key));
  if (both === undefined) return;
  throw new AuthdError(
    "invalid_params",
    `${name}: the secret ${both} is entered, and unset as well: do one of the two. Nothing was changed`,
    { credential: name },
  );
}
