import { didYouMean } from "../base/suggest.ts";
import { referenced } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { type PresetField, presetInfo, readPresets } from "../config/preset.ts";
import { AuthdError } from "../errors.ts";
import type { SecretField } from "../grants/grant.ts";
import { grants } from "../grants/index.ts";
import { askSecret, askText, choose } from "./prompts.ts";
import type { SettingsInput } from "./settings-input.ts";
import { painter, plain } from "./style.ts";

/** What a new credential is made from. */
export type Kind = { preset: string } | { grant: string };

/** Which API, or which grant, on a terminal. */
export async function askKind(): Promise<Kind> {
  const presets = [...readPresets().values()].map(({ name, title }) => ({
    value: `preset ${name}`,
    label: title,
  }));
  const others = Object.keys(grants).map((name) => ({
    value: `grant ${name}`,
    label: `another API, by ${name}`,
  }));
  const [word, name = ""] = (await choose("Which API is it for?", [...presets, ...others])).split(
    " ",
  );
  return word === "preset" ? { preset: name } : { grant: name };
}

/** Throws AuthdError `invalid_params`, with the nearest name, for one that does not exist. */
export function checkKind(kind: Kind): void {
  if ("preset" in kind) presetInfo(kind.preset);
  else if (!Object.hasOwn(grants, kind.grant)) {
    const hint = didYouMean(kind.grant, Object.keys(grants));
    throw new AuthdError("invalid_params", `There is no grant "${kind.grant}".${hint}`);
  }
}

/** Asks for what is neither given nor has a default, and adds the answers to `settings`. */
export async function askSettings(kind: Kind, settings: SettingsInput): Promise<void> {
  const fields = "preset" in kind ? presetFields(kind.preset) : grantFields(kind.grant);
  for (const field of fields) {
    if (field.secret || field.default !== undefined || field.name in settings) continue;
    if (isReplaced(field, fields, settings)) continue;
    const answer = await askField(field);
    if (answer !== undefined) settings[field.name] = answer;
  }
}

async function askField({ label, hint, choices, optional }: PresetField) {
  if (!choices) return askText({ label, hint, optional });
  const options = Object.keys(choices).map((value) => ({ value, label: value }));
  return choose(label, options);
}

/** A region is not needed where the URL that follows from it is given. */
function isReplaced(
  { name }: PresetField,
  fields: readonly PresetField[],
  settings: SettingsInput,
): boolean {
  const needing = fields.filter((each) => referenced(each.default ?? "", [name]).length > 0);
  return needing.length > 0 && needing.every((each) => each.name in settings);
}

/** What a preset asks for, after a word on where it is found. */
function presetFields(name: string): readonly PresetField[] {
  const { title, keys, fields } = presetInfo(name);
  const paint = painter(process.stderr);
  const url = keys.url ? ` ${paint("cyan", keys.url)}` : "";
  process.stderr.write(`${paint("bold", title)}: ${plain(keys.hint)}${url}\n`);
  return fields;
}

/** A grant's own keys that it can't do without and that are plain text. */
function grantFields(grant: string): PresetField[] {
  const row = Object.entries(grants).find(([name]) => name === grant)?.[1];
  if (!row) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(row.schema, {
    io: "input",
    unrepresentable: "any",
  });
  return required.flatMap((name) => {
    const property = properties[name];
    if (typeof property !== "object" || property.type !== "string") return [];
    const hint = property.description;
    return [
      { name, label: name, secret: false, optional: false, kind: "text", ...(hint && { hint }) },
    ];
  });
}

/**
 * Asks for each secret without echo; those left empty are left out. `whenEmpty` says what an empty
 * answer means; undefined: the secret is needed.
 */
export async function askSecrets(
  fields: readonly SecretField[],
  whenEmpty: (field: SecretField) => string | undefined,
): Promise<Record<string, string>> {
  const secrets: Record<string, string> = {};
  for (const field of fields) {
    const empty = whenEmpty(field);
    const hints = [field.hint, empty && `empty: ${empty}`].filter(Boolean);
    const answer = await askSecret({
      label: field.label,
      hint: hints.join("; "),
      optional: empty !== undefined,
    });
    if (answer !== undefined) secrets[field.name] = answer;
  }
  return secrets;
}
