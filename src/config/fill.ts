import { type Encode, missing, percent, render, renderPartly } from "../base/template.ts";
import type { Fields } from "./fields.ts";
import { isTable, type Table } from "./json-table.ts";
import { type KeyPlace, type Place, placeOf } from "./template-places.ts";

/**
 * Fills in the `{field}`s of settings, as far as that can be done before a token is asked for: `{token}`
 * and `{secret.NAME}` stay, and so do templates that a grant fills in when it sends them (extra
 * parameters, and the request of an exchange but for its URL). A member that needs an optional field
 * without a value is left out; a field that is not optional is asked for.
 */
export function fillIn(settings: Table, fields: Fields): Record<string, unknown> {
  return fillTable(settings, fields, placeOf);
}

function fillTable(
  table: Table,
  fields: Fields,
  placed: (key: string) => KeyPlace,
): Record<string, unknown> {
  const filled: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    const member = fill(value, fields, placed(key));
    if (member !== undefined) filled[key] = member;
  }
  return filled;
}

function fill(value: unknown, fields: Fields, at: KeyPlace): unknown {
  if (typeof value === "string") return fillText(value, fields, at.place);
  if (Array.isArray(value)) {
    return value.map((item) => fill(item, fields, at)).filter((item) => item !== undefined);
  }
  if (isTable(value)) return fillTable(value, fields, at.inside);
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
  if (place === "sent_url") return renderPartly(text, valuesOfUrls(fields));
  if (place === "header" || place === "unchecked") return renderPartly(text, fields.values);
  if (place === "text") return render(text, fields.values);
  // The first field is the base of the rest: inserted as it is.
  const base = /^\{[A-Za-z0-9_-]+\}/.exec(text)?.[0] ?? "";
  // Kept values are filled in later.
  const fillRest = text.includes("{kept.") ? renderPartly : render;
  return (
    render(base, fields.values) + fillRest(text.slice(base.length), fields.values, urlPart(fields))
  );
}

function urlPart(fields: Fields): Encode {
  return (value, name) => (fields.urls.has(name) ? value : percent(value, name));
}

/** Returns the values that hold URLs or paths: percent-encoded by a grant they would break the URL around them. */
function valuesOfUrls({ values, urls }: Fields): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => urls.has(name)));
}
