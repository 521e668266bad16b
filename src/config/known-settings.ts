/** Every setting that a credential file of some kind may have, as `--set` names them: for completion. */
import * as z from "../base/zod.ts";
import { credentialTypeOf } from "./credential-type.ts";
import { isTable, type Table } from "./json-table.ts";
import type { Presets } from "./preset.ts";
import { commonSchema } from "./schema.ts";

interface KnownSetting {
  /** Dotted where it is nested. */
  key: string;
  description: string;
  /** All values that it may have, where they are few. */
  values: readonly string[];
}

/** `file` holds `preset` or `grant`. Throws AuthdError `invalid_params` for one that does not exist. */
export function knownSettings(file: Table, presets: Presets): KnownSetting[] {
  const { preset, grant } = credentialTypeOf(file, presets);
  const fields = (preset?.fields ?? [])
    .filter(({ secret }) => !secret)
    .map(({ name, label, choices = {} }) => ({
      key: name,
      description: label,
      values: Object.keys(choices),
    }));
  const all = [...fields, ...settingsOf(grant.schema), ...settingsOf(commonSchema)];
  return [...new Map(all.toReversed().map((setting) => [setting.key, setting])).values()].reverse();
}

function settingsOf(schema: z.ZodMiniType): KnownSetting[] {
  return flatten(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), []);
}

function flatten(schema: unknown, path: readonly string[]): KnownSetting[] {
  if (!isTable(schema)) return [];
  if (isTable(schema.properties)) {
    return Object.entries(schema.properties).flatMap(([key, inner]) =>
      flatten(inner, [...path, key]),
    );
  }
  const description = typeof schema.description === "string" ? schema.description : "";
  const branches = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isTable) : [];
  // A table, or a word in its place.
  const tables = branches.filter((branch) => isTable(branch.properties));
  const values = tables.length > 0 ? branches.flatMap(valuesOf) : valuesOf(schema);
  const own = { key: path.join("."), description, values };
  return [own, ...tables.flatMap((branch) => flatten(branch, path))];
}

function valuesOf({ enum: values, type }: Table): string[] {
  if (Array.isArray(values)) return values.map(String);
  return type === "boolean" ? ["true", "false"] : [];
}
