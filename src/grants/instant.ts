/** Reads dates in the spellings that issuers use, as far as each can mean one instant only. */
import { instantOf, isOffset, monthNamed, wholeYear } from "./calendar.ts";
import { isTimeZone } from "./time-zone.ts";

/** ISO 8601, extended or basic, also with a blank for its T or with slashes. */
const ISO =
  /^(\d{4})([-/]?)(\d\d)\2(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?)?\s*(.*)$/i;
/** Year to second in 14 digits. In ms since the epoch these would be the years after 2580. */
const DIGITS = /^((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/;
/** JSON of Microsoft's old serializers: ms since the epoch; the offset says only where it was written. */
const DATE_CALL = /^\/?Date\((-?\d{1,16})(?:[+-]\d{4})?\)\/?$/;
const TIME = /\b(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:\s*([AP]M)\b)?/i;
const WEEKDAY = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+/i;

/**
 * Returns ms since the epoch of a date that is written as text; undefined if it is none, or can be read in two
 * ways (`11/12/2026`). `zone` counts for a local time.
 */
export function parseInstant(text: string, zone = "UTC"): number | undefined {
  const [, ms] = DATE_CALL.exec(text) ?? [];
  if (ms !== undefined) return Number(ms);
  const iso = DIGITS.exec(text.trim()) ?? ISO.exec(text.trim());
  return iso ? readIso(iso, zone) : readNamedMonth(text, zone);
}

/** True for 14 digits that are a date and a time. */
export function isDigitalDate(text: string): boolean {
  const found = DIGITS.exec(text);
  return found !== null && readIso(found, "UTC") !== undefined;
}

function readIso(found: RegExpExecArray, zone: string): number | undefined {
  const isDigits = found.length === 7;
  const [year, month, day, hour, minute, second, fraction, rest = ""] = isDigits
    ? found.slice(1)
    : [found[1], ...found.slice(3)];
  const stated = zoneIn(rest);
  if (stated === null) return undefined;
  const number = (digits: string | undefined) => Number(digits ?? 0);
  return instantOf(
    {
      ...{ year: number(year), month: number(month), day: number(day) },
      ...{ hour: number(hour), minute: number(minute), second: number(second) },
      ...{ fraction, zone: stated },
    },
    zone,
  );
}

/** Reads the end of a date: `Z`, `+01:00[Europe/Paris]`, `Z[UTC]`, `+0000 UTC`, `[UTC]`. Null: it is none of them. */
function zoneIn(text: string): string | undefined | null {
  const [, offset = "", name] = /^([^[\]]*)(?:\[([\w+/-]+)\])?$/.exec(text.trim()) ?? [text];
  const [first, second] = offset.trim().split(/\s+/);
  if (first !== undefined && first !== "") {
    return isOffset(first) && (second === undefined || /^[A-Z]{2,5}$/.test(second)) ? first : null;
  }
  if (name === undefined) return text.trim() === "" ? undefined : null;
  return isTimeZone(name) ? name : null;
}

/**
 * Reads a date whose month is a word: RFC 1123 and 850, the C library's asctime, JavaScript's and Java's
 * own, and `November 30, 2026 12:00 PM UTC`.
 */
function readNamedMonth(text: string, zone: string): number | undefined {
  const bare = text
    .trim()
    .replace(/\([^()]*\)$/, "")
    .trimEnd();
  const time = TIME.exec(bare);
  if (!time) return undefined;
  const words = bare
    .replace(time[0], " ")
    .replace(WEEKDAY, "")
    .replace(/\b(\d{1,2})(?:st|nd|rd|th)\b/i, "$1")
    .replace(/(?<=\w)-(?=[A-Za-z])|(?<=[A-Za-z])-(?=\d{2}|\d{4}\b)/g, " ")
    .split(/[\s,]+/)
    .filter((word) => word !== "");
  const month = words.map(monthNamed).find((each) => each !== undefined);
  const [one, other, ...more] = words.filter((word) => /^\d+$/.test(word));
  const rest = words.filter((word) => !/^\d+$/.test(word) && monthNamed(word) === undefined);
  if (month === undefined || one === undefined || other === undefined || more.length > 0) {
    return undefined;
  }
  if (rest.length > 1 || rest.some((word) => !isOffset(word))) return undefined;
  const [day, year] = one.length <= 2 ? [one, other] : [other, one];
  if (day.length > 2 || ![2, 4].includes(year.length)) return undefined;
  const [, hour, minute, second = 0, fraction, half] = time;
  return instantOf(
    {
      ...{ year: wholeYear(year), month, day: Number(day), zone: rest[0], fraction, half },
      ...{ hour: Number(hour), minute: Number(minute), second: Number(second) },
    },
    zone,
  );
}
