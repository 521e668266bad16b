/**
 * Fills in `{field}`, `{secret.name}` and `{token}` in settings, through functions where the template names
 * them: `{secret.password|sha256|base64}`. `{{` is a brace. Braces around anything but a name stay as they are,
 * and inserted values are never scanned again.
 */
import { AuthdError } from "../errors.ts";
import { type Data, percentEncode, templateFunction, textOf } from "./template-functions.ts";

/** Values by declared name; undefined: declared, but without a value here. */
export type TemplateValues = Readonly<Record<string, string | undefined>>;
/** Encodes a value for its place, or throws; `name` is for the message, which never holds the value. */
export type Encode = (value: string, name: string) => string;

/** One function of a placeholder, with the name of the value after its colon. */
interface Step {
  name: string;
  argument?: string;
}

/** A placeholder of a template, taken apart. */
export interface Placeholder {
  /** The placeholder as it is written, with its braces. */
  text: string;
  name: string;
  steps: readonly Step[];
}

/** Matches `{{`, or a name in braces with its functions. */
const PLACEHOLDER =
  /\{(?:\{|([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)((?: *\| *[A-Za-z0-9_]+(?::[A-Za-z0-9_.-]+)?)*)\})/g;

/** Returns the placeholders of a text in order, whether their names are declared or not. */
export function placeholders(text: string): Placeholder[] {
  if (!text.includes("{")) return [];
  return Array.from(text.matchAll(PLACEHOLDER)).flatMap(([whole, name, functions]) =>
    name === undefined ? [] : [parse(whole, name, functions)],
  );
}

function parse(text: string, name: string, functions = ""): Placeholder {
  const steps = functions.split("|").slice(1);
  return { text, name, steps: steps.map((step) => parseStep(step.trim())) };
}

function parseStep(step: string): Step {
  const [name = "", argument] = step.split(":");
  return argument === undefined ? { name } : { name, argument };
}

/** Returns the names that a placeholder needs values of. */
export function namesOf({ name, steps }: Placeholder): string[] {
  return [name, ...steps.flatMap(({ argument }) => argument ?? [])];
}

/** Returns the declared names that `text` mentions, each once, in order. */
export function referenced(text: string, declared: Iterable<string>): string[] {
  const known = new Set(declared);
  return [...new Set(placeholders(text).flatMap(namesOf))].filter((name) => known.has(name));
}

/** Returns the first declared name in `text` that has no value, for a caller that may leave out the member. */
export function missing(text: string, values: TemplateValues): string | undefined {
  return referenced(text, Object.keys(values)).find((name) => values[name] === undefined);
}

/** Fills in `text`. Throws AuthdError `invalid_params` that names the value that is missing or does not fit. */
export function render(text: string, values: TemplateValues, encode: Encode = noEncoding): string {
  return replace(text, {
    brace: "{",
    fill: (placeholder) => fillPlaceholder(placeholder, values, encode),
  });
}

/**
 * Fills in the placeholders whose names all have a value in `values`, and leaves the rest of the text a
 * template, for another `render` with the other names.
 */
export function renderPartly(
  text: string,
  values: TemplateValues,
  encode: Encode = noEncoding,
): string {
  const isKnown = (name: string) => Object.hasOwn(values, name);
  return replace(text, {
    brace: "{{",
    fill: (placeholder) =>
      namesOf(placeholder).every(isKnown)
        ? escapeTemplates(fillPlaceholder(placeholder, values, encode))
        : placeholder.text,
  });
}

/** Doubles the braces of a value that would be a placeholder, or an escaped brace, in a template. */
function escapeTemplates(value: string): string {
  return value.replace(PLACEHOLDER, (match) => match.replaceAll("{", "{{"));
}

interface Replacing {
  /** Replaces `{{`. */
  brace: string;
  fill: (placeholder: Placeholder) => string;
}

function replace(text: string, { brace, fill }: Replacing): string {
  if (!text.includes("{")) return text;
  return text.replace(PLACEHOLDER, (whole, name: string | undefined, functions: string) =>
    name === undefined ? brace : fill(parse(whole, name, functions)),
  );
}

/** Returns the encoded value of a placeholder; one with a name that is not declared stays as it is. */
function fillPlaceholder(placeholder: Placeholder, values: TemplateValues, encode: Encode): string {
  const { text, name, steps } = placeholder;
  const names = namesOf(placeholder);
  if (!names.every((each) => Object.hasOwn(values, each))) return text;
  const absent = names.find((each) => values[each] === undefined);
  if (absent !== undefined) {
    throw templateError(absent, "has no value, but a template needs it: set it");
  }
  let data: Data = values[name]!;
  for (const step of steps) {
    const argument = step.argument === undefined ? undefined : values[step.argument];
    const row = templateFunction(step.name);
    if (row === undefined) return text;
    data = row.apply(data, argument, values);
  }
  return encode(textOf(data), name);
}

/** Leaves a value as it is, for places whose serializer encodes it: form members, JSON strings, plain text. */
export const noEncoding: Encode = (value) => value;

/** Encodes for a URL's path and query (RFC 3986 section 2). Refuses `.` and `..`, which would move the path. */
export const percent: Encode = (value, name) => {
  if (value === "." || value === "..")
    throw templateError(name, `must not be "${value}" inside a URL`);
  try {
    return percentEncode(value);
  } catch (cause) {
    throw templateError(name, "is not valid Unicode text", cause);
  }
};

/** Checks a header's value (RFC 9110 section 5.5): refuses characters that end a header, or that none can carry. */
export const headerValue: Encode = (value, name) => {
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    throw templateError(
      name,
      "holds a line break or another character that no HTTP header can carry",
    );
  }
  return value;
};

/** Checks a cookie's value (RFC 6265 section 4.1.1, but for the characters that servers take all the same). */
export const cookieValue: Encode = (value, name) => {
  if (!/^[\x20-\x3a\x3c-\x7e]*$/.test(value)) {
    throw templateError(name, "holds a semicolon or another character that no cookie can carry");
  }
  return value;
};

function templateError(name: string, what: string, cause?: unknown): AuthdError {
  const kind = name.startsWith("secret.") ? "secret" : "field";
  return new AuthdError("invalid_params", `The ${kind} "${name.replace("secret.", "")}" ${what}.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
