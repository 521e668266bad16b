/** Makes JSON Schemas for editors from the schemas that validate. */

import * as z from "../base/zod.ts";
import { type GrantName, grants } from "../grants/index.ts";
import { configSchema } from "./daemon.ts";
import { isTable, type Table } from "./json-table.ts";
import { type Preset, type PresetField, presetSchema } from "./preset.ts";
import { shippedPresets } from "./presets.ts";
import { commonSchema } from "./schema.ts";

type Schema = Record<string, unknown>;

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

/** Returns the schema of `config.toml`. */
export function configJsonSchema(): Schema {
  return { $schema: DRAFT, title: "authd: config.toml", ...bare(configSchema) };
}

/** Returns the schema of `credentials/NAME.toml`: one variant for each preset and each grant. */
export function credentialJsonSchema(
  presets: Iterable<Preset> = shippedPresets().byName.values(),
): Schema {
  const names = Object.keys(grants) as GrantName[];
  return {
    $schema: DRAFT,
    title: "authd: a credential file",
    oneOf: [...Array.from(presets, presetVariant), ...names.map(grantVariant)],
    $defs: propertiesOf(bare(commonSchema)),
  };
}

/** Returns the schema of `presets/NAME.toml`. */
export function presetJsonSchema(): Schema {
  return { $schema: DRAFT, title: "authd: a preset", ...bare(presetSchema) };
}

function grantVariant(name: GrantName): Schema {
  const own = bare(grants[name].schema);
  return {
    title: `grant = "${name}"`,
    type: "object",
    properties: {
      grant: { const: name },
      ...propertiesOf(own),
      ...common(),
    },
    required: ["grant", ...((own.required as string[] | undefined) ?? [])],
    additionalProperties: false,
  };
}

/** Returns the schema of a preset's files. Nothing of the grant is required: the preset gives it, a file overrides parts. */
function presetVariant(preset: Preset): Schema {
  const grant = grants[preset.grant as GrantName];
  const asked = preset.fields.filter((field) => !field.secret);
  return {
    title: `preset = "${preset.name}" (${preset.title})`,
    type: "object",
    properties: {
      preset: { const: preset.name },
      ...(withoutRequired(propertiesOf(bare(grant.schema))) as Schema),
      ...common(),
      ...Object.fromEntries(asked.map((field) => [field.name, fieldSchema(field)])),
    },
    required: ["preset"],
    additionalProperties: false,
  };
}

function common(): Schema {
  const keys = Object.keys(commonSchema.shape);
  return Object.fromEntries(keys.map((key) => [key, { $ref: `#/$defs/${key}` }]));
}

function fieldSchema(field: PresetField): Schema {
  return {
    type: "string",
    description: [field.label, field.hint].filter((part) => part !== undefined).join(". "),
    ...(field.choices && { enum: Object.keys(field.choices) }),
  };
}

/** Returns the JSON Schema without zod's recursive one of any JSON value, which is of no use to an editor. */
function bare(schema: z.ZodMiniType): Schema {
  const { $schema, $defs, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return mapTables(rest, (table) => ("$ref" in table ? {} : table)) as Schema;
}

function withoutRequired(schema: unknown): unknown {
  return mapTables(schema, (table) => {
    if (!Array.isArray(table.required)) return table;
    const { required, ...rest } = table;
    return rest;
  });
}

function mapTables(value: unknown, map: (table: Table) => Table): unknown {
  if (Array.isArray(value)) return value.map((item) => mapTables(item, map));
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(map(value)).map(([key, member]) => [key, mapTables(member, map)]),
  );
}

function propertiesOf(schema: Schema): Schema {
  return isTable(schema.properties) ? { ...schema.properties } : {};
}
