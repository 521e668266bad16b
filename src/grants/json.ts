/** Reads JSON, and values in it by JSON pointer (RFC 6901). */

/** Prefixes that keep a response from running as a script when another site includes it. */
const XSSI_PREFIX =
  /^\s*(?:\)\]\}'?,?|(?:while|for)\s*\((?:1|true|\s*;\s*;\s*)\)(?:\s*;)?|\{\}\s*&&)/;

/** Returns the parsed text, without a prefix such as `)]}',`; undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  const json = text.replace(XSSI_PREFIX, "").trim();
  try {
    const value: unknown = JSON.parse(json);
    // Only text that is JSON is looked through: in other text the search for strings could take for ever.
    return /\d{16}/.test(json) ? JSON.parse(withExactIntegers(json)) : value;
  } catch {
    return undefined;
  }
}

/** Turns integers that a number can't hold exactly into strings, as a token or an id may be one. `json` is valid. */
function withExactIntegers(json: string): string {
  let exact = "";
  for (let at = 0; at < json.length; ) {
    const quote = json.indexOf('"', at);
    const start = quote === -1 ? json.length : quote;
    const end = quote === -1 ? start : endOfString(json, quote);
    exact += json.slice(at, start).replace(/-?\d[\d.eE+-]*/g, quoteIfLong) + json.slice(start, end);
    at = end;
  }
  return exact;
}

function quoteIfLong(number: string): string {
  const isLong = /^-?\d{16,}$/.test(number) && !Number.isSafeInteger(Number(number));
  return isLong ? `"${number}"` : number;
}

function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** True for a JSON pointer: empty, or a path whose every `~` is `~0` or `~1`. */
export function isJsonPointer(text: string): boolean {
  return /^(\/([^~]|~[01])*)?$/s.test(text);
}

/** Returns the value that `pointer` points to; undefined if there is none. Reads own members only. */
export function resolvePointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(key)) return undefined;
    if (!Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/**
 * Returns the member with the first of `names` that is there, with a value. Issuers differ in case and in `_`:
 * `access_token` also finds `ACCESS_TOKEN` and `accessToken`, unless a member is spelled exactly so.
 */
export function memberNamed(members: object, ...names: readonly string[]): unknown {
  for (const name of names) {
    const folded = foldedName(name);
    const spellings = [name, ...Object.keys(members).filter((key) => foldedName(key) === folded)];
    for (const key of spellings) {
      const value = Object.hasOwn(members, key) && (members as Record<string, unknown>)[key];
      if (value !== undefined && value !== null && value !== false && value !== "") return value;
    }
  }
  return undefined;
}

const foldedName = (name: string) => name.toLowerCase().replace(/[_-]/g, "");
