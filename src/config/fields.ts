import { missing, render } from "../base/template.ts";
import { AuthdError } from "../errors.ts";
import type { Table } from "./json-table.ts";
import type { Preset, PresetField } from "./preset.ts";
import { commonSchema, parseWith } from "./schema.ts";
import { parseUrl } from "./urls.ts";

/** Values that templates may name. Undefined: declared by the preset, but not given. */
type FieldValues = Record<string, string | undefined>;

/** The values of a credential's fields, and how the preset describes them. */
export interface Fields {
  readonly values: Readonly<FieldValues>;
  /** Names of fields that hold a URL or a path: inserted into other URLs as they are. */
  readonly urls: ReadonlySet<string>;
  /** Throws AuthdError `invalid_params` that asks for the field `name`, unless it is optional. */
  demand(name: string): void;
}

/**
 * Reads the preset's fields out of the file's top level and adds `own`, its [fields].
 * A default is a template over the fields above it. A field that nothing needs may be missing, such as
 * a region next to an explicit base URL.
 */
export function readFields(
  preset: Preset | undefined,
  file: Table,
  own: unknown,
  allowInsecureHttp: boolean,
): Fields {
  const { fields = {} } = parseWith(commonSchema, { fields: own });
  const values: FieldValues = { ...fields };
  const asked = preset?.fields.filter((field) => !field.secret) ?? [];
  for (const field of asked) {
    if (Object.hasOwn(fields, field.name)) {
      throw fieldError(
        `fields.${field.name} is a key of the preset: write ${field.name} outside [fields].`,
      );
    }
    values[field.name] = readField(field, file[field.name], values, allowInsecureHttp);
  }
  const urls = new Set(asked.filter((field) => field.kind !== "text").map((field) => field.name));
  return { values, urls, demand: (name) => demand(name, asked, values) };
}

/** Returns the fields that have a value. */
export function givenValues({ values }: Fields): Record<string, string> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Record<string, string>;
}

/** Throws AuthdError `invalid_params` for a text that does not fit one field of a preset. */
export function checkField(field: PresetField, text: unknown, allowInsecureHttp: boolean): void {
  readField(field, text, {}, allowInsecureHttp);
}

function readField(
  field: PresetField,
  given: unknown,
  above: FieldValues,
  allowInsecureHttp: boolean,
): string | undefined {
  const text = given === undefined || given === "" ? defaultOf(field, above) : given;
  if (text === undefined) return undefined;
  if (typeof text !== "string")
    throw fieldError(`${field.name} must be a string: put it into quotes.`);
  if (/[\0-\x1f\x7f]/.test(text))
    throw fieldError(`${field.name} must not hold control characters.`);
  if (field.choices) return chosen(field.name, text, field.choices);
  return KINDS[field.kind](text, field.name, allowInsecureHttp);
}

function defaultOf(field: PresetField, above: FieldValues): string | undefined {
  if (field.default === undefined || missing(field.default, above) !== undefined) return undefined;
  return render(field.default, above);
}

function chosen(name: string, text: string, choices: Readonly<Record<string, string>>): string {
  if (Object.hasOwn(choices, text)) return choices[text]!;
  throw fieldError(`${name} must be one of ${Object.keys(choices).join(", ")}.`);
}

/** Checks and normalizes a value of each kind, so that templates can put them together. */
const KINDS = {
  text: (text) => text,
  url: (text, name, allowInsecureHttp) => {
    parseUrl(text, name, allowInsecureHttp);
    return withoutBraces(text, name);
  },
  base: (text, name, allowInsecureHttp) => {
    const { search, hash } = parseUrl(text, name, allowInsecureHttp);
    if (search || hash) throw fieldError(`${name} must not have a query or a fragment.`);
    return withoutBraces(text, name).replace(/(?<!\/)\/+$/, "");
  },
  path: (text, name) => {
    if (!/^\/[^?#\s]*$/.test(text))
      throw fieldError(`${name} must be a path that starts with "/".`);
    return withoutBraces(text, name).replace(/(?<!\/)\/+$/, "");
  },
} satisfies Record<
  PresetField["kind"],
  (text: string, name: string, allowInsecureHttp: boolean) => string
>;

/** Refuses braces: a value becomes part of other templates, and must not be scanned again. */
function withoutBraces(text: string, name: string): string {
  if (/[{}]/.test(text)) throw fieldError(`${name} must not hold braces.`);
  return text;
}

function demand(name: string, described: readonly PresetField[], values: FieldValues): void {
  const field = described.find((each) => each.name === name);
  if (!field || field.optional) return;
  const above = field.default === undefined ? undefined : missing(field.default, values);
  const needed = described.find((each) => each.name === above) ?? field;
  const choices = needed.choices ? ` (${Object.keys(needed.choices).join(" or ")})` : "";
  throw fieldError(
    `${needed.name} is missing${choices}: set it, for example with --set ${needed.name}=…`,
  );
}

function fieldError(message: string): AuthdError {
  return new AuthdError("invalid_params", message);
}
