/** Finds mistakes in a preset before anybody uses it, as far as they don't depend on what a person gives. */

import { placeholders } from "../base/placeholders.ts";
import { didYouMean } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { checkTemplate, checkTemplates } from "./check-templates.ts";
import { type CredentialType, credentialTypeOf, isSetting, knownKeys } from "./credential-type.ts";
import { declaredNames } from "./declared-names.ts";
import { checkIgnoredKeys } from "./ignored-keys.ts";
import type { Preset } from "./preset.ts";
import { commonSchema, problemsOf, unknownKey, valueAt } from "./schema.ts";

/** Throws AuthdError `invalid_params` that names the first key with a mistake, as the preset's file spells it. */
export function assertUsablePreset(preset: Preset): void {
  const type = credentialTypeOf({ grant: preset.grant }, { byName: new Map(), mistakes: [] });
  if (preset.verify_before) throw mistake("verify_before is for shipped presets: leave it out.");
  checkKeys(preset, type);
  checkValues(preset, type);
  checkDefaults(preset);
  const ofFields = preset.fields.filter((field) => !field.secret).map(({ name }) => name);
  const ownFields = Object.keys((preset.settings.fields as object | undefined) ?? {});
  const { fields: _own, ...templates } = preset.settings;
  const names = declaredNames({ ...type, preset }, templates, [...ofFields, ...ownFields]);
  checkTemplates(templates, names, "settings.");
  checkIgnoredKeys(templates, templates, "settings.");
  checkRegister(preset, [...names.fields, ...names.secrets]);
}

function checkKeys({ settings }: Preset, type: CredentialType): void {
  for (const key of Object.keys(settings)) {
    if (isSetting(type, key)) continue;
    const known = knownKeys(type).map((each) => `settings.${each}`);
    throw mistake(unknownKey(`settings.${key}`, known));
  }
}

/** Checks each value that is no template against the schema of its key. */
function checkValues({ settings }: Preset, { grant }: CredentialType): void {
  const value = { settings };
  const isFixed = (path: readonly PropertyKey[]) => {
    const given = valueAt(value, path);
    const isTemplate = typeof given === "string" && placeholders(given).length > 0;
    return path.length > 1 && given !== undefined && !isTemplate;
  };
  const isCommon = (key: string) => Object.hasOwn(commonSchema.shape, key);
  const keys = Object.keys(settings);
  for (const { schema, own } of [
    { schema: commonSchema, own: keys.filter(isCommon) },
    { schema: grant.schema, own: keys.filter((key) => !isCommon(key)) },
  ]) {
    const part = Object.fromEntries(own.map((key) => [key, settings[key]]));
    const [problem] = problemsOf(z.object({ settings: schema }), { settings: part }, isFixed);
    if (problem !== undefined) throw mistake(problem);
  }
}

/** A default is a template over the fields above it. */
function checkDefaults({ fields }: Preset): void {
  const above: string[] = [];
  for (const field of fields) {
    checkTemplate(`fields.${field.name}.default`, field.default ?? "", { names: above });
    if (!field.secret) above.push(field.name);
  }
}

function checkRegister({ register, fields }: Preset, names: readonly string[]): void {
  if (!register) return;
  const secrets = fields.filter((field) => field.secret).map(({ name }) => name);
  if (!secrets.includes(register.generates)) {
    const hint = didYouMean(register.generates, secrets);
    throw mistake(`register.generates must be a secret of [fields].${hint}`);
  }
  checkTemplate("register.url", register.url, { names });
  for (const [key, value] of Object.entries(register.json))
    checkTemplate(`register.json.${key}`, value, { names });
}

const mistake = (message: string) => new AuthdError("invalid_params", message);
