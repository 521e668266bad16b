/** Edits a credential file for `credentials/add` and `credentials/set`, before it is checked as a whole. */
import { stringify } from "smol-toml";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { putAt, type Wanted, wantedBy } from "./coerce.ts";
import { type CredentialType, credentialTypeOf, isField } from "./credential-type.ts";
import { assertDepth, isTable, mergeTables, type Table, toJsonTable } from "./json-table.ts";
import type { Presets } from "./preset.ts";
import { commonSchema, shapeOf } from "./schema.ts";

const HEADER = `# A credential of authd: settings only, so that it can be shared. Its secrets are in the vault.
# Edited it? "authd reload" reads it again; "authd trust NAME" accepts a change of where secrets go.
`;

/**
 * Returns the content of a new file, or the changes to one that exists: `preset` or `grant` of `file`,
 * and the settings that a command line or a program gave, in the types that such a file wants. `"60"` becomes 60 where a number belongs, `"a,b"` a list where a list belongs, and a
 * dotted key a table. A value of the right type passes, and so does null, which
 * `updateCredentialFile` takes as "remove". Throws AuthdError `invalid_params` for unknown keys and
 * for secrets.
 */
export function coerceSettings(
  file: Table,
  settings: Table,
  presets: Presets,
): Record<string, unknown> {
  const type = credentialTypeOf(file, presets);
  const { preset, grant } = file;
  const coerced: Record<string, unknown> = preset === undefined ? { grant } : { preset };
  for (const [key, value] of Object.entries(toJsonTable(settings))) {
    const [first, ...below] = key.split(".");
    assertDepth(below.length);
    const path = [first ?? "", ...below] as const;
    putAt(coerced, path, value, wantedAt(type, path[0], { ...file, ...settings }));
  }
  return coerced;
}

/** Merges changed settings into a credential file's content: tables merge by key, lists replace, null removes. */
export function updateCredentialFile(file: Table, changes: Table): Record<string, unknown> {
  return withoutNulls(mergeTables(file, changes));
}

/** Returns the text of a credential file: `preset` or `grant` first, tables last. */
export function credentialFileText(file: Table): string {
  const { preset, grant, ...settings } = withoutNulls(file);
  const first = preset === undefined ? { grant } : { preset };
  return `${HEADER}${stringify({ ...first, ...settings })}`;
}

function wantedAt(type: CredentialType, key: string, file: Table): Wanted {
  if (key === "preset" || key === "grant") {
    throw new AuthdError(
      "invalid_params",
      `${key} can't be changed by a setting: add the credential anew, with --replace.`,
    );
  }
  if (isField(type, key, file)) return { type: "string" };
  const schema = { ...shapeOf(type.grant.schema), ...commonSchema.shape }[key];
  return schema instanceof z.ZodMiniType ? wantedBy(schema) : {};
}

/** Removes keys; a table that loses its last key is removed too: an empty one would still count as given. */
function withoutNulls(table: Table): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    if (value === null || value === undefined) continue;
    const inner = cleaned(value);
    const emptied = isTable(value) && Object.keys(value).length > 0 && isEmpty(inner);
    if (!emptied) kept[key] = inner;
  }
  return kept;
}

/** Refuses null in lists, also in their tables: TOML has no null. */
function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned);
  return isTable(value) ? withoutNulls(value) : value;
}

function isEmpty(value: unknown): boolean {
  return isTable(value) && Object.keys(value).length === 0;
}
