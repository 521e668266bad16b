/**
 * `{field}`, `{secret.name}` and `{token}` in settings. A name is replaced only if it is declared;
 * every other brace stays as it is, and what was put in is never looked at again.
 */
import { AuthdError } from "../errors.ts";

/** Own keys are the declared names; undefined: declared, but without a value here. */
export type TemplateValues = Readonly<Record<string, string | undefined>>;
/** Makes a value fit its place, or throws. Gets the name for its message, never the other way round. */
export type Encode = (value: string, name: string) => string;

const PLACEHOLDER = /\{((?:secret\.)?[A-Za-z0-9_-]+)\}/g;

/** The declared names that `text` mentions, each once, in order. */
export function referenced(text: string, declared: Iterable<string>): string[] {
  const known = new Set(declared);
  const names = Array.from(text.matchAll(PLACEHOLDER), (match) => match[1]!);
  return [...new Set(names)].filter((name) => known.has(name));
}

/** The first declared name in `text` that has no value: whoever may leave out the whole member asks this. */
export function missing(text: string, values: TemplateValues): string | undefined {
  return referenced(text, Object.keys(values)).find((name) => values[name] === undefined);
}

/** Fills in `text`. Throws AuthdError `invalid_params` that names the value that is missing or does not fit. */
export function render(text: string, values: TemplateValues, encode: Encode = noEncoding): string {
  return text.replace(PLACEHOLDER, (placeholder, name: string) => {
    if (!Object.hasOwn(values, name)) return placeholder;
    const value = values[name];
    if (value === undefined) throw unfit(name, "has no value, but a template needs it: set it");
    return encode(value, name);
  });
}

/** For a place whose serialiser encodes by itself: form members, strings inside JSON, plain text. */
export const noEncoding: Encode = (value) => value;

/** For a URL's path and query (RFC 3986 section 2). `.` and `..` would move the path: refused. */
export const percent: Encode = (value, name) => {
  if (value === "." || value === "..") throw unfit(name, `must not be "${value}" inside a URL`);
  try {
    return encodeURIComponent(value).replace(
      /[!'()*]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  } catch (cause) {
    throw unfit(name, "is not valid Unicode text", cause);
  }
};

/** For a header's value (RFC 9110 section 5.5): what could end the header, or that no header can carry, is refused. */
export const headerValue: Encode = (value, name) => {
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    throw unfit(name, "holds a line break or another character that no HTTP header can carry");
  }
  return value;
};

function unfit(name: string, what: string, cause?: unknown): AuthdError {
  const kind = name.startsWith("secret.") ? "secret" : "field";
  return new AuthdError("invalid_params", `The ${kind} "${name.replace("secret.", "")}" ${what}.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
