/**
 * Fills in `{field}`, `{secret.name}` and `{token}` in settings. A name is replaced only if it is declared;
 * every other brace stays as it is, and inserted values are never scanned again.
 */
import { AuthdError } from "../errors.ts";

/** Values by declared name; undefined: declared, but without a value here. */
export type TemplateValues = Readonly<Record<string, string | undefined>>;
/** Encodes a value for its place, or throws; `name` is for the message, which never holds the value. */
export type Encode = (value: string, name: string) => string;

const PLACEHOLDER = /\{((?:secret\.)?[A-Za-z0-9_-]+)\}/g;

/** Returns the declared names that `text` mentions, each once, in order. */
export function referenced(text: string, declared: Iterable<string>): string[] {
  const known = new Set(declared);
  const names = Array.from(text.matchAll(PLACEHOLDER), (match) => match[1]!);
  return [...new Set(names)].filter((name) => known.has(name));
}

/** Returns the first declared name in `text` that has no value, for a caller that may leave out the member. */
export function missing(text: string, values: TemplateValues): string | undefined {
  return referenced(text, Object.keys(values)).find((name) => values[name] === undefined);
}

/** Fills in `text`. Throws AuthdError `invalid_params` that names the value that is missing or does not fit. */
export function render(text: string, values: TemplateValues, encode: Encode = noEncoding): string {
  return text.replace(PLACEHOLDER, (placeholder, name: string) => {
    if (!Object.hasOwn(values, name)) return placeholder;
    const value = values[name];
    if (value === undefined)
      throw templateError(name, "has no value, but a template needs it: set it");
    return encode(value, name);
  });
}

/** Leaves a value as it is, for places whose serializer encodes it: form members, JSON strings, plain text. */
export const noEncoding: Encode = (value) => value;

/** Encodes for a URL's path and query (RFC 3986 section 2). Refuses `.` and `..`, which would move the path. */
export const percent: Encode = (value, name) => {
  if (value === "." || value === "..")
    throw templateError(name, `must not be "${value}" inside a URL`);
  try {
    return encodeURIComponent(value).replace(
      /[!'()*]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
    );
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

function templateError(name: string, what: string, cause?: unknown): AuthdError {
  const kind = name.startsWith("secret.") ? "secret" : "field";
  return new AuthdError("invalid_params", `The ${kind} "${name.replace("secret.", "")}" ${what}.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
