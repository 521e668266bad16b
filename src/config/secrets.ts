import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { SecretField } from "../grants/grant.ts";
import type { CredentialType } from "./credential-type.ts";
import type { Table } from "./json-table.ts";

/**
 * Returns the secrets that a credential asks for: the preset's with its own wording, those that the grant
 * requires, and those that a header or form parameter names (`{secret.api_key}`).
 */
export function secretFields(
  type: CredentialType,
  own: Table,
  headers: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, string>>,
): SecretField[] {
  const described = type.preset?.fields.filter((field) => field.secret) ?? [];
  const secrets = new Map<string, SecretField>();
  for (const { name, optional, label, hint } of described) {
    secrets.set(name, omitUndefined({ name, optional, label, hint }));
  }
  for (const secret of type.grant.secrets(own)) {
    // A preset knows which of the optional ones its API has a use for.
    if (secrets.has(secret.name) || (type.preset && secret.optional)) continue;
    secrets.set(secret.name, secret);
  }
  for (const name of namedIn([headers, own.extra])) {
    if (!secrets.has(name)) secrets.set(name, { name, optional: false, label: name });
  }
  for (const name of secrets.keys()) {
    if (!Object.hasOwn(fields, name)) continue;
    throw new AuthdError(
      "invalid_params",
      `fields.${name} is a secret, and secrets are kept in the vault only: leave it out; authd set asks for it.`,
    );
  }
  return [...secrets.values()];
}

function namedIn(templates: unknown): string[] {
  const text = JSON.stringify(templates);
  if (!text.includes("{secret.")) return [];
  return Array.from(text.matchAll(/\{secret\.([A-Za-z0-9_-]+)\}/g), (match) => match[1]!);
}
