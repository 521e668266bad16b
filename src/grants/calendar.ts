/** A date and a time of day as they are written, and the instant that they mean. */
import { parseOffset, toInstant } from "./time-zone.ts";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Numbers as they are written: `month` from 1 on, `hour` from 0 to 24. */
export interface WrittenTime {
  year: number;
  month: number;
  day: number;
  hour?: number;
  minute?: number;
  second?: number;
  /** The part after the decimal sign. */
  fraction?: string | undefined;
  /** `AM` or `PM`, in any case. */
  half?: string | undefined;
  /** The offset that the text states, or the name of a zone; undefined: none. */
  zone?: string | undefined;
}

/** Returns ms since the epoch; `zone` counts if the text states none. Undefined for a date that does not exist. */
export function instantOf(written: WrittenTime, zone: string): number | undefined {
  const { year, month, day, minute = 0, second = 0, fraction = "" } = written;
  const hour = hourOf(written);
  if (hour === undefined || minute > 59 || second > 60) return undefined;
  const date = new Date(Date.UTC(year, month - 1, day));
  if (year < 100 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const ms = Math.floor(Number(`0.${fraction || 0}`) * 1_000);
  const local = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000;
  return toInstant(local, written.zone ?? zone) + ms;
}

/** Returns 1 to 12 for an English name of a month, whole or its first three letters; undefined for any other word. */
export function monthNamed(word: string): number | undefined {
  const name = word.toLowerCase();
  const index = MONTHS.indexOf(name.slice(0, 3));
  if (index === -1) return undefined;
  const [whole] = new Intl.DateTimeFormat("en-US", { month: "long", timeZone: "UTC" })
    .formatToParts(Date.UTC(2000, index, 1))
    .map(({ value }) => value.toLowerCase());
  return whole?.startsWith(name) || name === "sept" ? index + 1 : undefined;
}

/** Returns a year of two digits as one of this century, and any other as it is. */
export function wholeYear(digits: string): number {
  return digits.length === 2 ? 2_000 + Number(digits) : Number(digits);
}

/** True for what may stand after a time: an offset, or an abbreviation whose offset is certain. */
export function isOffset(text: string): boolean {
  return parseOffset(text) !== undefined;
}

/** Returns the hour of 24. An hour with AM or PM is one from 1 to 12. */
function hourOf({ hour = 0, half }: WrittenTime): number | undefined {
  if (half === undefined) return hour <= 24 ? hour : undefined;
  if (hour < 1 || hour > 12) return undefined;
  return (hour % 12) + (half.toLowerCase() === "pm" ? 12 : 0);
}
