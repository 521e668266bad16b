/**
 * Reads dates in the format that a credential file gives, where a spelling is ambiguous:
 * `MM/DD/YYYY hh:mm:ss A`.
 *
 * | part | meaning | part | meaning |
 * |---|---|---|---|
 * | `YYYY`, `YY` | year; of two digits: this century's | `HH`, `H` | hour, 0 to 24 |
 * | `MM`, `M`, `MMM` | month by number, or by its English name | `hh`, `h` with `A` | hour, 1 to 12, and AM or PM |
 * | `DD`, `D` | day | `mm`, `m`, `ss`, `s`, `S` | minute, second, its decimals (any number) |
 * | `Z` | `Z`, `UTC`, or an offset | `[text]` | the text itself |
 *
 * Doubled letters take two digits, single ones one or two. Other letters stand in brackets.
 */
import { instantOf, isOffset, monthNamed, type WrittenTime, wholeYear } from "./calendar.ts";

const PARTS = /\[([^[\]]*)\]|YYYY|YY|MMM|MM|M|DD|D|HH|H|hh|h|mm|m|ss|s|S+|A|Z|[\s\S]/g;

/** The regular expression that reads each part, and the member of the date that it is. */
const READERS: Readonly<Record<string, [name: string, pattern: string]>> = {
  YYYY: ["year", "\\d{4}"],
  YY: ["year", "\\d{2}"],
  MMM: ["month", "[A-Za-z]{3,9}"],
  MM: ["month", "\\d{2}"],
  M: ["month", "\\d{1,2}"],
  DD: ["day", "\\d{2}"],
  D: ["day", "\\d{1,2}"],
  HH: ["hour", "\\d{2}"],
  H: ["hour", "\\d{1,2}"],
  hh: ["hour", "\\d{2}"],
  h: ["hour", "\\d{1,2}"],
  mm: ["minute", "\\d{2}"],
  m: ["minute", "\\d{1,2}"],
  ss: ["second", "\\d{2}"],
  s: ["second", "\\d{1,2}"],
  S: ["fraction", "\\d{1,9}"],
  A: ["half", "[AaPp][Mm]"],
  Z: ["zone", "[A-Za-z]{0,3}(?:[+-]\\d{1,2}(?::?\\d{2})?)?"],
};

interface Compiled {
  pattern: RegExp;
  names: ReadonlySet<string>;
}

/** Returns what is wrong with a format, as the end of a sentence; undefined: nothing. */
export function whyUnfitFormat(format: string): string | undefined {
  const compiled = compile(format);
  if (typeof compiled === "string") return compiled;
  const { names } = compiled;
  const lacking = ["year", "month", "day"].filter((name) => !names.has(name));
  if (lacking.length > 0) return `has no ${lacking.join(", no ")}`;
  const hasHalfHours = /(?<!\[[^\]]*)h/.test(format);
  if (hasHalfHours !== names.has("half")) return "needs hh and A together, or HH";
  return undefined;
}

/** True if the format itself reads an offset, so that no zone is needed. */
export function readsOffset(format: string): boolean {
  const compiled = compile(format);
  return typeof compiled !== "string" && compiled.names.has("zone");
}

/** Returns ms since the epoch; `zone` counts if the format reads no offset. Undefined for a text that does not fit. */
export function parseWithFormat(text: string, format: string, zone: string): number | undefined {
  const compiled = compile(format);
  const found = typeof compiled === "string" ? undefined : compiled.pattern.exec(text)?.groups;
  if (!found) return undefined;
  const { year = "", month = "", fraction, half } = found;
  if (found.zone !== undefined && !isOffset(found.zone)) return undefined;
  const number = (name: string) => (found[name] === undefined ? 0 : Number(found[name]));
  const written: WrittenTime = {
    ...{ year: wholeYear(year), day: number("day"), fraction, half, zone: found.zone },
    month: /^\d/.test(month) ? Number(month) : (monthNamed(month) ?? 0),
    ...{ hour: number("hour"), minute: number("minute"), second: number("second") },
  };
  return instantOf(written, zone);
}

/** Returns what is wrong with the format, if it is no format at all. */
function compile(format: string): Compiled | string {
  const names = new Set<string>();
  let pattern = "";
  for (const [part, text] of format.matchAll(PARTS)) {
    const reader = text === undefined ? READERS[part.startsWith("S") ? "S" : part] : undefined;
    if (!reader) {
      if (text === undefined && /[A-Za-z[\]]/.test(part)) {
        return `holds ${JSON.stringify(part)}, which is no part of a date: text stands in [brackets]`;
      }
      pattern += escaped(text ?? part);
      continue;
    }
    const [name, digits] = reader;
    if (names.has(name)) return `says the ${name} twice`;
    names.add(name);
    pattern += `(?<${name}>${digits})`;
  }
  return { pattern: new RegExp(`^${pattern}$`), names };
}

const escaped = (text: string) => text.replace(/[^A-Za-z0-9\s]/g, "\\$&");

/** Returns the format that an ambiguous date most likely has, for a person to check; undefined if none fits. */
export function guessFormat(text: string): string | undefined {
  const [, first, dash, , year, rest = ""] =
    /^(\d\d?)([/.-])(\d\d?)\2(\d{4}|\d\d)(\D.*)?$/.exec(text) ?? [];
  if (first === undefined || dash === undefined || year === undefined) return undefined;
  const isDayFirst = dash === "." || Number(first) > 12;
  const hour = /[ap]m$/i.test(rest) ? "h" : "H";
  const time = rest
    .replace(/\d{1,2}:\d{1,2}:\d{1,2}/, `${hour}:mm:ss`)
    .replace(/\d{1,2}:\d{1,2}/, `${hour}:mm`)
    .replace(/[ap]m$/i, "A")
    .replace(/T/, "[T]");
  const date = (isDayFirst ? ["D", "M"] : ["M", "D"]).join(dash);
  const format = `${date}${dash}${"Y".repeat(year.length)}${time}`;
  return parseWithFormat(text, format, "UTC") === undefined ? undefined : format;
}
