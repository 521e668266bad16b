/**
 * A preset is one TOML file in this folder and nothing else: whoever adds an API adds its file.
 * docs/presets.md says what stands in it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { didYouMean } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { RegisterRequest } from "./settings.ts";

const SHIPPED = fileURLToPath(new URL("../presets", import.meta.url));

const text = z.string().min(1);
const fieldSchema = z.strictObject({
  label: text,
  hint: text.optional(),
  secret: z.boolean().default(false),
  optional: z.boolean().default(false),
  /** A template over the fields above it. */
  default: z.string().optional(),
  /** `base`: a URL that paths are appended to; `path`: what is appended to one. */
  kind: z.enum(["text", "url", "base", "path"]).default("text"),
  /** Values that may be typed; as a table, with the text that templates get for each. */
  choices: z
    .union([z.array(text).min(1), z.record(text, z.string())])
    .transform((choices) =>
      Array.isArray(choices)
        ? Object.fromEntries(choices.map((choice) => [choice, choice]))
        : choices,
    )
    .optional(),
});

const presetSchema = z.strictObject({
  title: text,
  grant: text,
  keys: z.strictObject({ hint: text, url: z.url().optional() }),
  fields: z.record(z.string().regex(/^[a-z][a-z0-9_]*$/), fieldSchema),
  settings: z.record(text, z.json()),
  register: z
    .strictObject({ url: text, generates: text, json: z.record(text, z.string()) })
    .optional(),
});

/** A value that a preset asks its user for. */
export interface PresetField extends z.output<typeof fieldSchema> {
  name: string;
}

export interface Preset {
  readonly name: string;
  readonly title: string;
  /** A row of the table in grants/index.ts. */
  readonly grant: string;
  /** The page where a person finds or makes the keys of this API. */
  readonly keys: { readonly hint: string; readonly url?: string | undefined };
  /** In the order in which they are asked for. */
  readonly fields: readonly PresetField[];
  /** Keys of the grant and of every credential (docs/configuration.md), as templates over the fields. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly register?: RegisterRequest | undefined;
}

/** Reads every `NAME.toml` of a folder: the shipped presets, unless told otherwise. Throws if one is broken. */
export function readPresets(folder: string = SHIPPED): ReadonlyMap<string, Preset> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".toml"));
  return new Map(
    files.sort().map((file) => {
      const name = file.slice(0, -".toml".length);
      return [name, readPreset(name, join(folder, file))];
    }),
  );
}

export function presetNames(presets = readPresets()): string[] {
  return [...presets.keys()];
}

/** Throws AuthdError `invalid_params` for a name that is no preset. */
export function presetInfo(name: string, presets = readPresets()): Preset {
  const preset = presets.get(name);
  if (preset) return preset;
  const hint = didYouMean(name, presets.keys()) || ` Presets: ${presetNames(presets).join(", ")}.`;
  throw new AuthdError("invalid_params", `There is no preset "${name}".${hint}`);
}

function readPreset(name: string, file: string): Preset {
  try {
    const content = presetSchema.parse(parse(readFileSync(file, "utf8")));
    const fields = Object.entries(content.fields).map(([name, field]) => ({ name, ...field }));
    return { ...content, name, fields };
  } catch (cause) {
    throw new AuthdError("internal", `The preset file ${file} is broken: ${messageOf(cause)}`, {
      cause,
    });
  }
}
