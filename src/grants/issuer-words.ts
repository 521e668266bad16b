/** Errors in an API's own JSON: not OAuth's, but still the issuer's word that it refuses. */
import type { IssuerResponse } from "./grant.ts";
import { type Concealed, hiddenIn, showable } from "./oauth-problem.ts";

/** Names of members that tell of an error, in lower case and without `_` and `-`. */
const NAMES = /^(err(or)?s?(code|id|msg|message|description)?|code|message|msg|details?|title)$/;
/** Values of such members with which APIs say that all is well. */
const FINE = new Set(["", "0", "ok", "none", "success", "succeeded", "successful", "true"]);

/**
 * What a JSON answer says of an error, fit to be shown; "" if it says so in words that are not fit.
 * Undefined if it is not JSON, or tells of none.
 */
export function issuerWords(response: IssuerResponse, concealed: Concealed): string | undefined {
  const values = errorValues(parsed(response.text), 3);
  if (values.length === 0) return undefined;
  const hidden = hiddenIn(response, concealed);
  const words = values.map((value) =>
    typeof value === "number" ? String(value) : showable(value, hidden),
  );
  return [...new Set(words.filter((word) => word !== undefined))].slice(0, 3).join(": ");
}

/** Members near the top: `{"message": …}`, `{"error": {"message": …}}`, `{"errors": [{"message": …}]}`. */
function errorValues(value: unknown, levels: number): (string | number)[] {
  if (typeof value !== "object" || value === null || levels === 0) return [];
  const found = Object.entries(value).flatMap(([name, member]) => {
    if (!isError(name, member)) return [];
    return [typeof member === "object" ? "" : (member as string | number)];
  });
  const inside = Object.values(value).flatMap((member) => errorValues(member, levels - 1));
  return [...inside, ...found].slice(0, 8);
}

function isError(name: string, value: unknown): boolean {
  if (!NAMES.test(name.toLowerCase().replace(/[_-]/g, ""))) return false;
  if (typeof value === "number") return value !== 0 && !(value >= 200 && value < 300);
  if (typeof value === "string") return !FINE.has(value.trim().toLowerCase());
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text.trim());
  } catch {
    return undefined;
  }
}
