import { suggest } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import type { Grant } from "../grants/grant.ts";
import { grantNamed, grants } from "../grants/index.ts";
import type { Table } from "./json-table.ts";
import { type Preset, type Presets, presetNamed } from "./preset.ts";
import { commonSchema, parseWith, shapeOf, unknownKey } from "./schema.ts";
import { declaredSecrets } from "./secrets.ts";

/** The preset or grant of a credential file, which decides which keys it may have. */
export interface CredentialType {
  readonly preset: Preset | undefined;
  readonly grantName: string;
  readonly grant: Grant;
}

/** Reads `preset` or `grant`, of which there is exactly one. Throws AuthdError `invalid_params`. */
export function credentialTypeOf(file: Table, presets: Presets): CredentialType {
  if (typeof file.preset === "string" && file.grant === undefined) {
    const preset = presetNamed(file.preset, presets);
    return { preset, grantName: preset.grant, grant: grantNamed(preset.grant) };
  }
  if (typeof file.grant === "string" && file.preset === undefined) {
    return { preset: undefined, grantName: file.grant, grant: grantNamed(file.grant) };
  }
  throw new AuthdError(
    "invalid_params",
    `It needs either preset = "…" (${[...presets.byName.keys()].join(", ")}) or grant = "…" (${Object.keys(grants).join(", ")}).`,
  );
}

/** True for a key of every grant or of this one; the preset's fields are none. */
export function isSetting(type: CredentialType, key: string): boolean {
  return Object.hasOwn(commonSchema.shape, key) || Object.hasOwn(shapeOf(type.grant.schema), key);
}

/**
 * True for a field that the preset asks for and inserts where it belongs. Throws AuthdError
 * `invalid_params` for a key that is neither field nor setting, or that names a secret.
 */
export function isField(type: CredentialType, key: string, file: Table): boolean {
  const field = type.preset?.fields.find((each) => each.name === key);
  if (field && !field.secret) return true;
  if (!field && isSetting(type, key)) return false;
  const secrets = declaredSecrets(type, file);
  if (secrets.includes(key)) throw new AuthdError("invalid_params", `${key} ${IS_SECRET}`);
  if (isSecretOfAnyGrant(key)) {
    throw new AuthdError("invalid_params", `There is no key "${key}", ${NO_SUCH_SECRET}`);
  }
  const nearest = suggest(key, [...knownKeys(type), ...secrets]);
  const message =
    nearest !== undefined && secrets.includes(nearest)
      ? `There is no key "${key}". If ${nearest} is meant: it ${IS_SECRET}`
      : unknownKey(key, knownKeys(type));
  throw new AuthdError("invalid_params", message);
}

const IS_SECRET =
  "is a secret, and secrets are kept in the vault only: leave it out; authd add and authd set ask for it, or read it with --secrets-from.";

const NO_SUCH_SECRET =
  "nor has this credential a secret of that name. Leave it out: secrets are kept in the vault only.";

/** True for a name such as `refresh_token`, which is a secret even where this grant has no use for it. */
function isSecretOfAnyGrant(key: string): boolean {
  const all = Object.values<Grant>(grants);
  return all.some((grant) => declaredSecrets({ preset: undefined, grant }, {}).includes(key));
}

/** Returns every key that a file of this type may have, beside `preset` and `grant`. */
export function knownKeys(type: CredentialType): string[] {
  const fields = type.preset?.fields.filter((field) => !field.secret) ?? [];
  return [
    ...new Set([
      ...fields.map((field) => field.name),
      ...Object.keys(shapeOf(type.grant.schema)),
      ...Object.keys(commonSchema.shape),
    ]),
  ];
}

/** Throws AuthdError `invalid_params` for a key of `defaults` that no credential could use. */
export function checkDefaults(defaults: Table): void {
  const shapes = Object.values<Grant>(grants).map(({ schema }) => shapeOf(schema));
  const known = new Set([commonSchema.shape, ...shapes].flatMap((shape) => Object.keys(shape)));
  for (const key of Object.keys(defaults)) {
    if (known.has(key)) continue;
    const candidates = [...known].map((each) => `defaults.${each}`);
    throw new AuthdError("invalid_params", unknownKey(`defaults.${key}`, candidates));
  }
  const common = Object.entries(defaults).filter(([key]) => Object.hasOwn(commonSchema.shape, key));
  parseWith(z.object({ defaults: commonSchema }), { defaults: Object.fromEntries(common) });
}
