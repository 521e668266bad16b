/** Compares what came with what a row of data expects, which may hold these objects in place of a value. */
const MATCHERS: Record<string, (actual: unknown, wanted: unknown, since: number) => boolean> = {
  /** A text that a regular expression finds something in. */
  $matches: (actual, wanted) => typeof actual === "string" && new RegExp(`${wanted}`).test(actual),
  /** A text that has all of these parts, in any case of letters. */
  $says: (actual, wanted) =>
    typeof actual === "string" && missingParts(actual, [wanted].flat().map(String)).length === 0,
  /** A time (ms since the epoch), so many seconds from some moment since the row began. */
  $in: (actual, wanted, since) => {
    const seconds = Number(wanted) * 1_000;
    return isBetween(actual, since + seconds, Date.now() + seconds);
  },
  /** A time (ms since the epoch): this one, as a text. */
  $at: (actual, wanted) => isBetween(actual, Date.parse(`${wanted}`), Date.parse(`${wanted}`)),
};

/** Issuers tell times in whole seconds, and so do their clocks. */
const TOLERANCE_MS = 2_500;

const isBetween = (actual: unknown, from: number, to: number) =>
  typeof actual === "number" && actual >= from - TOLERANCE_MS && actual <= to + TOLERANCE_MS;

/** Returns those of `parts` that a text does not have, in any case of letters. */
export function missingParts(text: string, parts: readonly string[]): string[] {
  return parts.filter((part) => !text.toLowerCase().includes(part.toLowerCase()));
}

/**
 * Returns one text for each way in which `actual` is not as expected. Members that `expected` does not
 * name may be anything, unless it is to be `exact`; null stands for one that is not there. `since`: when the row began (ms since the epoch).
 */
export function differences(
  actual: unknown,
  expected: unknown,
  how: "exact" | "some" = "some",
  since = 0,
  at = "",
): string[] {
  const differs = (isSame: boolean) =>
    isSame ? [] : [`${at} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
  if (expected === null && how === "some") return differs(actual === undefined || actual === null);
  if (typeof expected !== "object" || expected === null) return differs(actual === expected);
  const [[name = "", wanted] = []] = Object.entries(expected);
  const matcher = MATCHERS[name];
  if (matcher) return differs(matcher(actual, wanted, since));
  if (typeof actual !== "object" || actual === null) return differs(false);
  const isWhole = how === "exact" || Array.isArray(expected);
  const keys = isWhole ? [...Object.keys(actual), ...Object.keys(expected)] : Object.keys(expected);
  const member = (table: object, key: string) => (table as Record<string, unknown>)[key];
  return [...new Set(keys)].flatMap((key) =>
    differences(
      member(actual, key),
      member(expected, key),
      how,
      since,
      at === "" ? key : `${at}.${key}`,
    ),
  );
}
