/** Reads JSON, and values in it by JSON pointer (RFC 6901). */

/** Returns the parsed text; undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.trim());
  } catch {
    return undefined;
  }
}

/** True for a JSON pointer: empty, or a path whose every `~` is `~0` or `~1`. */
export function isJsonPointer(text: string): boolean {
  return /^(\/([^~]|~[01])*)?$/s.test(text);
}

/** Returns the value that `pointer` points to; undefined if there is none. Reads own members only. */
export function valueAt(document: unknown, pointer: string): unknown {
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
