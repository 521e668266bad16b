import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { isTable, mergeTables, type Table, toJsonValue } from "./json-table.ts";

/** The JSON Schema of a place in a credential file, as far as coercion needs it. */
export type Wanted = z.core.JSONSchema.BaseSchema;

/** Returns the JSON Schema of what a key's zod schema takes; `{}` takes anything. */
export function wantedBy(schema: z.ZodMiniType): Wanted {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
}

/** Puts `value` at a dotted path of `target`, in the type that is wanted there. */
export function putAt(
  target: Record<string, unknown>,
  [key, ...below]: readonly [string, ...string[]],
  value: unknown,
  wanted: Wanted,
): void {
  if (key === "__proto__") {
    throw new AuthdError("invalid_params", `The key "__proto__" is not allowed.`);
  }
  const known = target[key];
  const [first, ...rest] = below;
  if (first === undefined) {
    const coerced = coerce(value, wanted);
    target[key] = isTable(known) && isTable(coerced) ? mergeTables(known, coerced) : coerced;
    return;
  }
  const table: Record<string, unknown> = isTable(known) ? { ...known } : {};
  const free = wanted.properties === undefined && isTable(wanted.additionalProperties);
  // A header's or a parameter's name may have dots of its own.
  const isName = free && !isMember(member(wanted, first), rest[0]);
  putAt(table, isName ? [below.join(".")] : [first, ...rest], value, member(wanted, first));
  target[key] = table;
}

/** True if a table at this place has a member of that name. */
function isMember(wanted: Wanted, key: string | undefined): boolean {
  return key !== undefined && Object.keys(member(wanted, key)).length > 0;
}

function coerce(value: unknown, wanted: Wanted): unknown {
  if (typeof value === "string") return coerceText(value, wanted);
  if (Array.isArray(value)) return value.map((item) => coerce(item, itemsOf(wanted)));
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, coerce(inner, member(wanted, key))]),
  );
}

/** Converts a text; one that fits nowhere stays a text, which the schema then refuses. */
function coerceText(text: string, wanted: Wanted): unknown {
  const types = typesOf(wanted);
  if (types.has("any")) return /^\s*[[{]/.test(text) ? parsedOr(text) : text;
  if (types.has("string")) return text;
  if (types.has("array")) {
    if (itemsOf(wanted).type === "object") return [parsedOr(text)].flat();
    const items = text.split(",").map((item) => item.trim());
    return items.filter((item) => item !== "").map((item) => coerce(item, itemsOf(wanted)));
  }
  const isNumber = types.has("number") || types.has("integer");
  if (isNumber && /^-?\d+(\.\d+)?$/.test(text.trim())) return Number(text);
  if (types.has("boolean") && /^(true|false)$/.test(text.trim())) return text.trim() === "true";
  return types.has("object") ? parsedOr(text) : text;
}

function parsedOr(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  return toJsonValue(value);
}

function typesOf(wanted: Wanted): Set<string> {
  if (wanted.anyOf) return new Set(wanted.anyOf.flatMap((each) => [...typesOf(each as Wanted)]));
  return new Set([wanted.type ?? "any"].flat());
}

function itemsOf(wanted: Wanted): Wanted {
  return isTable(wanted.items) ? (wanted.items as Wanted) : {};
}

function member(wanted: Wanted, key: string): Wanted {
  const inAny = (wanted.anyOf ?? []).map((each) => member(each as Wanted, key));
  const any = inAny.find((each) => Object.keys(each).length > 0);
  if (any) return any;
  const known: Table = wanted.properties ?? {};
  const found = Object.hasOwn(known, key) ? known[key] : wanted.additionalProperties;
  return isTable(found) ? (found as Wanted) : {};
}
