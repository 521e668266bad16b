/** Lists the requests to an issuer that a credential file describes as data. */
import { isTable, type Table } from "./json-table.ts";

/** A request, and the key that it stands at: `request`, `steps[2]`, `renew.steps[1]`. */
export interface StepOf {
  key: string;
  step: Table;
}

/** Keys of requests. */
const KEYS = ["request", "steps", "renew"];

/** Returns the requests at a key of a credential file in their order; none for a key of anything else. */
export function stepsIn(key: string, value: unknown): StepOf[] {
  if (!KEYS.includes(key)) return [];
  if (isTable(value))
    return value.steps === undefined ? [{ key, step: value }] : listed(key, value);
  return key === "steps" ? listed("", { steps: value }) : [];
}

function listed(key: string, { steps }: Table): StepOf[] {
  if (!Array.isArray(steps)) return [];
  const prefix = key === "" ? "" : `${key}.`;
  return steps.flatMap((step, index) =>
    isTable(step) ? [{ key: `${prefix}steps[${index + 1}]`, step }] : [],
  );
}
