import { type Encode, missing, percent, render } from "../base/template.ts";
import { AuthdError } from "../errors.ts";
import type { Fields } from "./fields.ts";
import { isTable, type Table } from "./json-table.ts";

/** Fills in templates, each in the way of its place in a credential's settings. */
export type Place = "url" | "sent_url" | "header" | "sent" | "text";

/**
 * Fills in the `{field}`s of settings, as far as that can be done before a token is asked for: `{token}`
 * and `{secret.NAME}` stay, and so do templates that a grant fills in when it sends them (extra
 * parameters, and the request of an exchange but for its URL). A member that needs an optional field
 * without a value is left out; a field that is not optional is asked for.
 */
export function fillIn(settings: Table, fields: Fields): Record<string, unknown> {
  return fillTable(settings, fields, (key) => placeOf(key));
}

const PLACES = new Map<string, Place>([
  ["headers", "header"],
  ["extra", "sent"],
]);

function placeOf(key: string): { place: Place; inside: (key: string) => Place } {
  const isUrl = key === "origins" || key.endsWith("_url");
  const place: Place = isUrl ? "url" : (PLACES.get(key) ?? "text");
  if (key === "request")
    return { place, inside: (inner) => (inner === "url" ? "sent_url" : "sent") };
  if (key === "verify") return { place, inside: (inner) => (inner === "url" ? "url" : "text") };
  return { place, inside: () => place };
}

function fillTable(
  table: Table,
  fields: Fields,
  placed: (key: string) => { place: Place; inside: (key: string) => Place },
): Record<string, unknown> {
  const filled: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    const { place, inside } = placed(key);
    const member = isTable(value)
      ? fillTable(value, fields, (inner) => ({ place: inside(inner), inside: () => inside(inner) }))
      : fill(value, fields, place);
    if (member !== undefined) filled[key] = member;
  }
  return filled;
}

function fill(value: unknown, fields: Fields, place: Place): unknown {
  if (typeof value === "string") return fillText(value, fields, place);
  if (Array.isArray(value)) {
    return value.map((item) => fill(item, fields, place)).filter((item) => item !== undefined);
  }
  if (isTable(value)) return fillTable(value, fields, () => ({ place, inside: () => place }));
  return value;
}

/** Fills in a text; undefined if it needs an optional field without a value. */
export function fillText(text: string, fields: Fields, place: Place): string | undefined {
  if (!text.includes("{")) return text;
  const absent = missing(text, fields.values);
  if (absent !== undefined) {
    fields.demand(absent);
    return undefined;
  }
  if (place === "sent") return text;
  if (place === "sent_url") return render(text, valuesOfUrls(fields));
  if (place === "header") return render(text, fields.values, withoutTemplates);
  if (place === "text") return render(text, fields.values);
  // The first field is the base of the rest: inserted as it is.
  const base = /^\{[A-Za-z0-9_-]+\}/.exec(text)?.[0] ?? "";
  return (
    render(base, fields.values) + render(text.slice(base.length), fields.values, urlPart(fields))
  );
}

function urlPart(fields: Fields): Encode {
  return (value, name) => (fields.urls.has(name) ? value : percent(value, name));
}

/** Returns the values that hold URLs or paths: percent-encoded by a grant they would break the URL around them. */
function valuesOfUrls({ values, urls }: Fields): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => urls.has(name)));
}

/** Refuses templates in a header's value: headers are filled in once more, with token and secrets. */
function withoutTemplates(value: string, name: string): string {
  if (!/\{(token|secret\.[A-Za-z0-9_-]+)\}/.test(value)) return value;
  throw new AuthdError(
    "invalid_params",
    `${name} must not hold a template: write it into the header itself.`,
  );
}
