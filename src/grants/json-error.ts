/** Finds errors in an API's own JSON, which are not OAuth errors but refuse the request all the same. */
import type { IssuerResponse } from "./grant.ts";
import { parseJson } from "./json.ts";
import { type Concealed, hiddenIn } from "./oauth-problem.ts";
import { shortened, showable } from "./showable.ts";

/** Names of members that tell of an error, in lower case and without `_` and `-`. */
const NAMES = /^(err(or)?s?(code|id|msg|message|description)?|code|message|msg|details?|title)$/;
/** Values of such members that mean success. */
const FINE = new Set(["", "0", "ok", "none", "success", "succeeded", "successful", "true"]);

/**
 * Returns the error text in a JSON response, if it may be shown; "" if it may not. Undefined if the response is
 * not JSON, or contains no error.
 */
export function jsonErrorText(
  response: Pick<IssuerResponse, "headers" | "text">,
  concealed: Concealed,
): string | undefined {
  const values = errorValues(parseJson(response.text), 3);
  if (values.length === 0) return undefined;
  const hidden = hiddenIn(response, concealed);
  const words = values.map((value) =>
    typeof value === "number" ? String(value) : showable(value, hidden),
  );
  const [first = "", ...others] = new Set(words.filter((word) => word !== undefined));
  return others.slice(0, 2).reduce((text, word) => {
    const longer = `${text}: ${word}`;
    return shortened(longer) === longer ? longer : text;
  }, first);
}

/** Returns values of error members near the top: `{"message": …}`, `{"error": {"message": …}}`, `{"errors": [{"message": …}]}`. */
function errorValues(value: unknown, levels: number): (string | number)[] {
  if (typeof value !== "object" || value === null || levels === 0) return [];
  const found = Object.entries(value).flatMap(([name, member]) => {
    if (!isError(name, member)) return [];
    if (Array.isArray(member)) return ["", ...member.filter((item) => typeof item === "string")];
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
