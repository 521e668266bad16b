/**
 * Fills in the placeholders of settings (base/placeholders.ts). Those with a name that is not declared stay as they
 * are, and inserted values are never scanned again.
 */
import { AuthdError } from "../errors.ts";
import { namesOf, type Placeholder, partsOf, placeholders, templateOf } from "./placeholders.ts";
import { type Data, percentEncode, templateFunction, textOf } from "./template-functions.ts";

/** Values by declared name; undefined: declared, but without a value here. */
export type TemplateValues = Readonly<Record<string, string | undefined>>;
/** Encodes a value for its place, or throws; `name` is for the message, which never holds the value. */
export type Encode = (value: string, name: string) => string;

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
  if (!text.includes("{")) return text;
  return partsOf(text)
    .map((part) => (typeof part === "string" ? part : fillPlaceholder(part, values, encode)))
    .join("");
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
  return templateOf(
    partsOf(text).map((part) =>
      typeof part === "string" || !namesOf(part).every(isKnown)
        ? part
        : fillPlaceholder(part, values, encode),
    ),
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
