/** The values of an issuer's answer that a credential file keeps: `[response]` `keep`. */
import { isTable, type Table } from "./json-table.ts";
import type { KeptPlaces } from "./settings.ts";

/** Returns where each value is kept from, of a grant's own settings; undefined: the file keeps none. */
export function keptPlaces({ response }: Table): KeptPlaces | undefined {
  const keep = isTable(response) ? response.keep : undefined;
  return isTable(keep) && Object.keys(keep).length > 0 ? (keep as KeptPlaces) : undefined;
}

/** Returns the names of kept values, of settings that were not checked yet. */
export function keptNames(settings: Table): string[] {
  return Object.keys(keptPlaces(settings) ?? {});
}
