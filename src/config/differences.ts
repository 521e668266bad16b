/** Finds differences between the settings that secrets are bound to and the present ones. */
import type { Difference } from "../protocol.ts";
import type { BoundValues } from "./binding.ts";
import { canonical, isTable, type Table } from "./json-table.ts";
import { type CredentialSettings, FROM_CONFIG } from "./settings.ts";

/** The part of a record about the settings that its secrets are bound to. */
interface Bound {
  binding: string;
  written?: Readonly<Record<string, string>>;
  boundValues?: BoundValues;
}

/**
 * Names each part of the binding that differs; none if `record` is bound to `settings`. `file` is the
 * content of the credential file that `settings` were made from.
 */
export function differencesOf(
  settings: CredentialSettings,
  record: Bound,
  file: Table,
): Difference[] {
  if (settings.binding === record.binding) return [];
  const is = leavesOf(settings.boundValues);
  if (record.boundValues) return changes(leavesOf(record.boundValues), is);
  const keys = Object.keys({ ...record.written, ...settings.written });
  const edited = keys.filter((key) => record.written?.[key] !== settings.written[key]);
  return edited.sort().map((key) => ({ key, is: file[key] ?? valueAt(settings.boundValues, key) }));
}

function changes(was: ReadonlyMap<string, unknown>, is: ReadonlyMap<string, unknown>) {
  const keys = [...new Set([...was.keys(), ...is.keys()])].sort();
  return keys
    .map((key) => ({ key, was: was.get(key) ?? null, is: is.get(key) ?? null }))
    .filter((one) => canonical(one.was) !== canonical(one.is));
}

function valueAt(values: BoundValues, written: string): unknown {
  const key = written.replace(FROM_CONFIG, "").replace(/^defaults\./, "");
  return values[key] ?? null;
}

/** Returns values by dotted key; entries of lists of tables are counted from 1, other lists are one value. */
function leavesOf(values: BoundValues): Map<string, unknown> {
  const leaves = new Map<string, unknown>();
  const visit = (key: string, value: unknown): void => {
    if (isTable(value) && Object.keys(value).length > 0) {
      for (const [inner, member] of Object.entries(value)) visit(`${key}.${inner}`, member);
    } else if (Array.isArray(value) && value.some(isTable)) {
      for (const [index, item] of value.entries()) visit(`${key}[${index + 1}]`, item);
    } else if (value !== undefined) {
      leaves.set(key, value);
    }
  };
  for (const [key, value] of Object.entries(values)) visit(key, value);
  return leaves;
}
