/** Collects values beside the secrets themselves that no error may quote: an issuer may repeat what it was sent. */
import { namesOf, placeholders } from "../base/placeholders.ts";
import { missing, render, type TemplateValues } from "../base/template.ts";

/** Shorter values are not kept out of errors: they would be found in any text. */
const MIN_HIDDEN_LENGTH = 6;

/** Names of values that stay within the vault, in templates. */
const SECRET_NAME = /^(token$|secret\.|kept\.)/;

/** Returns the results of functions over secrets, tokens and kept values in `templates`, such as a password's digest. */
export function derivedSecrets(templates: unknown, values: TemplateValues): Record<string, string> {
  const derived = placeholders(JSON.stringify(templates) ?? "").filter(
    (each) => each.steps.length > 0 && namesOf(each).some((name) => SECRET_NAME.test(name)),
  );
  const texts = derived.filter(({ text }) => missing(text, values) === undefined);
  return longEnough(Object.fromEntries(texts.map(({ text }) => [text, render(text, values)])));
}

/** Returns the values that are long enough to be told from other text. */
export function longEnough(values: TemplateValues): Record<string, string> {
  const long = Object.entries(values).filter(
    ([, value]) => (value ?? "").length >= MIN_HIDDEN_LENGTH,
  );
  return Object.fromEntries(long) as Record<string, string>;
}
