import { omitUndefined } from "../base/omit-undefined.ts";
import { namesOf, placeholders } from "../base/placeholders.ts";
import { AuthdError } from "../errors.ts";
import type { Grant, SecretField } from "../grants/grant.ts";
import { clientSecretNames, SUBJECT_TOKEN } from "../grants/index.ts";
import { isTable, type Table } from "./json-table.ts";
import type { Preset } from "./preset.ts";

/** Begins the names of secrets in templates. */
const PREFIX = "secret.";

/** The grant's keys whose templates may name any secret, which is asked for then. */
export const DECLARING = ["extra", "refresh_extra", "token_headers", "subject"];

/** Keys of what is sent to the API, whose templates may name any secret. */
const SENT_TO_API = ["headers", "query", "cookie", "body"];

/** The part of a credential's type that decides which secrets it has. */
interface CredentialType {
  readonly preset: Preset | undefined;
  readonly grant: Grant;
}

/**
 * Returns the secrets that a credential asks for: the preset's with its own wording, those that the grant
 * requires, and those that a parameter or `sent` names, which is sent to the API (`{secret.api_key}`).
 */
export function secretFields(
  type: CredentialType,
  own: Table,
  sent: readonly unknown[],
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
  for (const name of namedIn([...sent, ...DECLARING.map((key) => own[key])])) {
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

/**
 * Returns the names of all secrets that a file of this type can have, whatever else it says. `settings`: merged,
 * but neither filled in nor checked.
 */
export function declaredSecrets({ preset, grant }: CredentialType, settings: Table): string[] {
  const listed = Array.isArray(settings.secrets) ? settings.secrets.map(String) : [];
  // With a client id and no client_auth, the grant's secrets include the client's.
  const own = { ...settings, client_id: "any", client_auth: undefined, secrets: listed };
  const required = grant.secrets(own).map((secret) => secret.name);
  const isClients = required.includes("client_secret");
  return [
    ...(preset?.fields ?? []).filter((field) => field.secret).map((field) => field.name),
    ...required,
    ...(isClients ? clientSecretNames : []),
    ...(isTable(settings.subject) ? [SUBJECT_TOKEN] : []),
    ...(isTable(settings.rotates) ? Object.keys(settings.rotates) : []),
    ...namedIn([
      ...SENT_TO_API.map((key) => settings[key]),
      ...DECLARING.map((key) => settings[key]),
    ]),
  ];
}

/** Returns the names of the secrets that templates mention. */
function namedIn(templates: readonly unknown[]): string[] {
  const names = placeholders(JSON.stringify(templates)).flatMap(namesOf);
  return names.filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
}
