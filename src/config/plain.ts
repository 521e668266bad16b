import { TomlDate } from "smol-toml";
import { AuthdError } from "../errors.ts";

/** A TOML table, or the `settings` of a request. */
export type Table = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A copy that holds nothing but JSON: dates as ISO 8601 text. `__proto__`, which TOML and JSON can
 * both make an ordinary key, is refused, so that merging needs no care.
 */
export function plainTable(table: Table): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(table)) {
    if (key === "__proto__") {
      throw new AuthdError("invalid_params", `The key "__proto__" is not allowed.`);
    }
    const value = plain(table[key]);
    if (value !== undefined) copy[key] = value;
  }
  return copy;
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof TomlDate) return value.toISOString();
  return plainTable(value as Table);
}

/** Of each group only one can be meant: whoever gives another replaces it. */
const EITHER = [
  ["form", "json", "text"],
  ["expires_in", "expires_at"],
];

/**
 * `over` on top of `base`: tables merge by key, everything else replaces. A request's body and a
 * response's lifetime replace one of another kind too (a preset's `json` gives way to a `text`).
 */
export function mergeTables(base: Table, over: Table): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    if (key === "request" || key === "response") {
      merged[key] = isTable(below) && isTable(value) ? mergeExclusive(below, value) : value;
    } else {
      merged[key] = isTable(below) && isTable(value) ? mergeTables(below, value) : value;
    }
  }
  return merged;
}

function mergeExclusive(base: Table, over: Table): Record<string, unknown> {
  const kept = { ...base };
  for (const group of EITHER) {
    const given = group.filter((key) => over[key] !== undefined && over[key] !== null);
    if (given.length === 0) continue;
    for (const key of group) if (!given.includes(key)) delete kept[key];
  }
  return mergeTables(kept, over);
}
