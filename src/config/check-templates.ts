/** Refuses names in braces that nothing declares: they are typing mistakes, and would be sent as they stand. */
import {
  isName,
  namesOf,
  nearPlaceholders,
  type Placeholder,
  placeholders,
} from "../base/placeholders.ts";
import { didYouMean, suggest } from "../base/suggest.ts";
import { functionNames, templateFunction } from "../base/template-functions.ts";
import { AuthdError } from "../errors.ts";
import { isTable, type Table } from "./json-table.ts";
import { type StepOf, stepsIn } from "./request-steps.ts";
import {
  type DeclaredNames,
  type KeyPlace,
  type Place,
  placeOf,
  templateNames,
} from "./template-places.ts";

/**
 * Throws AuthdError `invalid_params` that names the key of the first template that can't be filled in, after
 * `prefix`.
 */
export function checkTemplates(settings: Table, declared: DeclaredNames, prefix = ""): void {
  for (const [key, value] of Object.entries(settings)) {
    const steps = stepsIn(key, value);
    if (steps.length > 0) checkSteps(steps, declared, prefix);
    else {
      checkValue(`${prefix}${key}`, value, placeOf(key), (place) =>
        templateNames(key, place, declared),
      );
    }
  }
}

/** Checks requests in their order: each may hold what those before it, and its own values, declare. */
function checkSteps(steps: readonly StepOf[], declared: DeclaredNames, prefix: string): void {
  const values: string[] = [];
  const allowed = (place: Place) => templateNames("steps", place, { ...declared, values });
  const declare = (key: string, name: string) => {
    const { names } = templateNames("steps", "sent", { ...declared, values });
    if (names.includes(name)) throw mistake(key, `is a name that there is already: ${name}.`);
    values.push(name);
  };
  for (const { key, step } of steps) {
    const { values: made, take, steps: _, ...rest } = step;
    for (const [name, template] of Object.entries(isTable(made) ? made : {})) {
      const at = `${prefix}${key}.values.${name}`;
      if (typeof template === "string") checkTemplate(at, template, allowed("sent"));
      declare(at, name);
    }
    checkValue(`${prefix}${key}`, rest, placeOf("steps"), allowed);
    for (const name of Object.keys(isTable(take) ? take : {})) {
      declare(`${prefix}${key}.take.${name}`, name);
    }
  }
}

/** Says where kept values may stand: nowhere in a request that carries a secret to an issuer. */
const WHERE_KEPT =
  "but a kept value goes into headers, query, cookie, body, origins and verify.url only, and response.keep must have it.";

interface AllowedNames {
  names: readonly string[];
  /** True if any secret may be named. */
  declares?: boolean;
}

function checkValue(
  key: string,
  value: unknown,
  { place, inside }: KeyPlace,
  allowed: (place: Place) => AllowedNames,
): void {
  if (place === "unchecked") return;
  if (typeof value === "string") checkTemplate(key, value, allowed(place));
  else if (Array.isArray(value)) {
    const isList = !value.some(isTable);
    for (const [index, item] of value.entries()) {
      checkValue(isList ? key : `${key}[${index + 1}]`, item, { place, inside }, allowed);
    }
  } else if (isTable(value)) {
    for (const [inner, member] of Object.entries(value)) {
      checkValue(`${key}.${inner}`, member, inside(inner), allowed);
    }
  }
}

/** Throws AuthdError `invalid_params` for one template, at `key`, that can't be filled in. */
export function checkTemplate(key: string, text: string, allowed: AllowedNames): void {
  const doubled = /(?<!\{)\{\{([A-Za-z0-9_.-]+)\}\}/.exec(text)?.[1];
  if (doubled !== undefined && allowed.names.includes(doubled)) {
    throw mistake(key, `holds {{${doubled}}}, but {{ is a brace: write {${doubled}}.`);
  }
  for (const placeholder of placeholders(text)) {
    const why = whyUnfit(placeholder, allowed);
    if (why !== undefined) throw mistake(key, why);
  }
  const near = nearPlaceholders(text).find(({ word }) => isMeant(word, allowed.names));
  if (near !== undefined) {
    throw mistake(key, `holds ${near.text}, ${whyMalformed(near.name, allowed)}`);
  }
}

/** True for a word with which a placeholder begins, rather than text of another language. */
function isMeant(word: string, names: readonly string[]): boolean {
  return ["secret", "kept", "token", ...names].includes(word);
}

function whyUnfit(placeholder: Placeholder, { names, declares = false }: AllowedNames) {
  const isKnown = (name: string) =>
    names.includes(name) || (declares && name.startsWith("secret.") && isName(name));
  if (!isKnown(placeholder.name)) {
    return `holds ${placeholder.text}, ${whyUnknown(placeholder.name, names)}`;
  }
  const code = placeholder.steps.findIndex(({ name }) => name === "totp");
  if (code > 0 || (code === 0 && !placeholder.name.startsWith("secret."))) {
    return `holds ${placeholder.text}, but totp is made of a secret alone: {secret.NAME|totp}.`;
  }
  const misused = placeholder.steps.map((step) => whyUnfitStep(step, names)).find(Boolean);
  if (misused !== undefined) return `holds ${placeholder.text}, but ${misused}`;
  const unknown = namesOf(placeholder).find((name) => !isKnown(name));
  return unknown && `holds ${placeholder.text}, ${whyUnknown(unknown, names)}`;
}

function whyMalformed(written: string, { names, declares = false }: AllowedNames): string {
  const name = written
    .trim()
    .replace(/[^A-Za-z0-9_-]+/g, ".")
    .replace(/\.$/, "");
  const isKnown = names.includes(name) || (declares && name.startsWith("secret."));
  const nearest = isKnown ? ` Did you mean {${name}}?` : hint(name, names);
  const brace = written.startsWith(" ") ? "" : ` ${BRACE_MEANT}`;
  return `which is no name of a value.${nearest}${brace}`;
}

const BRACE_MEANT = "A brace that is meant is written {{.";

function whyUnknown(name: string, names: readonly string[]): string {
  if (name.startsWith("kept.") && !names.some((each) => each.startsWith("kept."))) {
    return WHERE_KEPT;
  }
  return `but nothing here is named ${name}.${hint(name, names)} ${BRACE_MEANT}`;
}

function whyUnfitStep({ name, argument }: Placeholder["steps"][number], names: readonly string[]) {
  const row = templateFunction(name);
  if (name === "") return `a function is missing after |. Functions: ${functionNames.join(", ")}.`;
  if (row === undefined) {
    return `there is no function ${name}.${didYouMean(name, functionNames)} Functions: ${functionNames.join(", ")}.`;
  }
  if (row.argument === "none" && argument !== undefined) return `${name} takes no value.`;
  if (argument === "" || (row.argument === "required" && argument === undefined)) {
    return `${name} needs a value, such as ${name}:secret.NAME.`;
  }
  if (row.needs !== undefined && !names.includes(row.needs)) {
    return `${name} works in token requests only.`;
  }
  return undefined;
}

function hint(name: string, names: readonly string[]): string {
  const nearest = suggest(name, names);
  if (nearest !== undefined) return ` Did you mean {${nearest}}?`;
  return names.length > 0 ? ` Names here: ${names.slice(0, 12).join(", ")}.` : "";
}

function mistake(key: string, what: string): AuthdError {
  return new AuthdError("invalid_params", `${key} ${what}`);
}
