/** Finds a value in an HTML page: of a form's field, such as a form token, or of a `meta` element. */

/** Longer tags are skipped: no form token is that long. */
const TAG = /<(?:input|meta|button)\b([^<>]{1,4096})>/gi;
const ATTRIBUTE = /\s([a-z][a-z0-9_:-]{0,63})\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;

/** Returns the value of the first field or `meta` element named `name`; undefined if there is none. */
export function formField(page: string, name: string): string | undefined {
  for (const [, inside = ""] of page.matchAll(TAG)) {
    const attributes = readAttributes(inside);
    if (attributes.get("name") !== name) continue;
    const value = attributes.get("value") ?? attributes.get("content");
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Returns attributes by name in lower case; the first of one name counts, as in browsers. */
function readAttributes(inside: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = "", double, single, bare] of inside.matchAll(ATTRIBUTE)) {
    const key = name.toLowerCase();
    if (!attributes.has(key)) attributes.set(key, decoded(double ?? single ?? bare ?? ""));
  }
  return attributes;
}

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/** Replaces the character references that values of attributes have. */
function decoded(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi, (...found) => {
    const [whole, decimal, hex, name] = found as [string, string?, string?, string?];
    if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
