import { TomlDate } from "smol-toml";
import { AuthdError } from "../errors.ts";

/** Limits tables and lists inside each other: a few dotted bytes a level would otherwise exhaust the stack. */
const DEEPEST = 64;

/** A TOML table, or the `settings` of a request. */
export type Table = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Returns a copy that holds nothing but JSON: dates as ISO 8601 text. `__proto__`, which TOML and JSON can
 * both make an ordinary key, is refused, so that merging needs no care.
 */
export function toJsonTable(table: Table): Record<string, unknown> {
  return jsonTableAt(table, 1);
}

function jsonTableAt(table: Table, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(table)) {
    if (key === "__proto__") {
      throw new AuthdError("invalid_params", `The key "__proto__" is not allowed.`);
    }
    const value = jsonValueAt(table[key], depth);
    if (value !== undefined) copy[key] = value;
  }
  return copy;
}

/** Does for any value what `toJsonTable` does for a table. */
export function toJsonValue(value: unknown): unknown {
  return jsonValueAt(value, 1);
}

function jsonValueAt(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof TomlDate) return value.toISOString();
  assertDepth(depth);
  if (Array.isArray(value)) {
    if (value.includes(null)) {
      throw new AuthdError("invalid_params", "A list can't hold null: TOML has no such value.");
    }
    return value.map((item) => jsonValueAt(item, depth + 1));
  }
  return jsonTableAt(value as Table, depth + 1);
}

/** Throws AuthdError `invalid_params` for settings that are nested too deeply for recursive functions. */
export function assertDepth(depth: number): void {
  if (depth <= DEEPEST) return;
  const message = `Settings may be nested ${DEEPEST} tables and lists deep at most.`;
  throw new AuthdError("invalid_params", message);
}

/** Groups of keys, of which one replaces the others. */
type Alternatives = readonly (readonly string[])[];

/** For each table with keys that exclude each other: which do. */
const EXCLUSIVE: Readonly<Record<string, readonly Alternatives[]>> = {
  request: [[["form"], ["json"], ["text"]]],
  renew: [
    [["form"], ["json"], ["text"]],
    [["url"], ["steps"]],
  ],
  response: [[["expires_in"], ["expires_at"]]],
  lifetime: [
    [["seconds"], ["unit", "from", "format", "zone"]],
    [["unit"], ["format", "zone"]],
  ],
};

/**
 * Merges `over` into `base`: tables merge by key, everything else replaces. A request's body and a
 * response's lifetime replace one of another kind too (a preset's `json` gives way to a `text`).
 */
export function mergeTables(base: Table, over: Table): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    if (isTable(below) && isTable(value)) {
      const exclusive = Object.hasOwn(EXCLUSIVE, key) ? EXCLUSIVE[key]! : [];
      merged[key] = mergeTables(withoutReplaced(below, value, exclusive), value);
    } else merged[key] = value;
  }
  return merged;
}

/** Leaves out what one of the keys of `over` excludes. */
function withoutReplaced(base: Table, over: Table, exclusive: readonly Alternatives[]): Table {
  const kept = { ...base };
  const isGiven = (key: string) => over[key] !== undefined && over[key] !== null;
  for (const groups of exclusive) {
    if (!groups.flat().some(isGiven)) continue;
    for (const key of groups.filter((group) => !group.some(isGiven)).flat()) delete kept[key];
  }
  return kept;
}

/** Returns JSON with sorted keys; members without a value are left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}
