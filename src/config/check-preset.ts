/** Finds mistakes in a preset before anybody uses it, as far as they don't depend on what a person gives. */
import { didYouMean } from "../base/suggest.ts";
import { referenced } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { type CredentialType, credentialTypeOf, isSetting, knownKeys } from "./credential-type.ts";
import type { Table } from "./json-table.ts";
import type { Preset } from "./preset.ts";
import { commonSchema, problemsOf, unknownKey, valueAt } from "./schema.ts";

/** Throws AuthdError `invalid_params` that names the first key with a mistake, as the preset's file spells it. */
export function assertUsablePreset(preset: Preset): void {
  const type = credentialTypeOf({ grant: preset.grant }, { byName: new Map(), mistakes: [] });
  checkKeys(preset, type);
  checkValues(preset, type);
  checkDefaults(preset);
  checkRegister(preset);
}

function checkKeys({ settings }: Preset, type: CredentialType): void {
  for (const key of Object.keys(settings)) {
    if (isSetting(type, key)) continue;
    const known = knownKeys(type).map((each) => `settings.${each}`);
    throw mistake(unknownKey(`settings.${key}`, known));
  }
}

/** Checks each value that is none of a template's, against the schema of its key. */
function checkValues({ settings, fields }: Preset, { grant }: CredentialType): void {
  const names = fields.map(({ name }) => name);
  const value = { settings };
  const isFixed = (path: readonly PropertyKey[]) => {
    const given = valueAt(value, path);
    const isTemplate = typeof given === "string" && referenced(given, names).length > 0;
    return path.length > 1 && given !== undefined && !isTemplate;
  };
  for (const [schema, isOurs] of [
    [commonSchema, (key: string) => Object.hasOwn(commonSchema.shape, key)],
    [grant.schema, (key: string) => !Object.hasOwn(commonSchema.shape, key)],
  ] as const) {
    const part = Object.fromEntries(Object.entries(settings).filter(([key]) => isOurs(key)));
    const [problem] = problemsOf(z.object({ settings: schema }), { settings: part }, isFixed);
    if (problem !== undefined) throw mistake(problem);
  }
}

/** A default is a template over the fields above it. */
function checkDefaults({ fields }: Preset): void {
  const above: string[] = [];
  for (const field of fields) {
    checkNames(`fields.${field.name}.default`, field.default, above);
    if (!field.secret) above.push(field.name);
  }
}

function checkRegister({ register, fields }: Preset): void {
  if (!register) return;
  const secrets = fields.filter((field) => field.secret).map(({ name }) => name);
  if (!secrets.includes(register.generates)) {
    const hint = didYouMean(register.generates, secrets);
    throw mistake(`register.generates must be a secret of [fields].${hint}`);
  }
  const names = fields.map(({ name, secret }) => (secret ? `secret.${name}` : name));
  checkNames("register.url", register.url, names);
  checkNames("register.json", register.json, names);
}

function checkNames(key: string, value: string | Table | undefined, names: readonly string[]) {
  const texts = typeof value === "string" ? [value] : Object.values(value ?? {});
  const [stray] = texts.flatMap((text) => undeclaredIn(String(text), names));
  if (stray !== undefined)
    throw mistake(`${key} holds {${stray}}, which is no field here.${didYouMean(stray, names)}`);
}

const BRACES = /\{((?:secret\.)?[A-Za-z0-9_-]+)\}/g;

const undeclaredIn = (text: string, names: readonly string[]) =>
  Array.from(text.matchAll(BRACES), (match) => match[1]!).filter((name) => !names.includes(name));

const mistake = (message: string) => new AuthdError("invalid_params", message);
