/** Reads one value that tells a lifetime or an end: numbers and texts, in every spelling that issuers use. */
import { parseWithFormat } from "./date-format.ts";
import { isDigitalDate, parseInstant } from "./instant.ts";
import { type LifetimeSetting, UNITS } from "./lifetime-setting.ts";
import { seconds } from "./token-claims.ts";

/** Which of both a number is if its size leaves it open. */
export type TimeKind = "duration" | "instant";

/** How values are read: the parts of `lifetime` that say so, and the issuer's time (ms since the epoch). */
export interface Reading
  extends Pick<Exclude<LifetimeSetting, "never">, "unit" | "format" | "zone"> {
  now: number;
}

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const DURATION =
  /^(\d+(?:\.\d+)?)\s*(?:(ms|milliseconds?)|(s|secs?|seconds?)|(m|mins?|minutes?)|(h|hrs?|hours?)|(d|days?))$/i;
/** Seconds since the epoch: September 2001. A smaller number is no date of a token. */
const LEAST_DATE = 1e9;
const DAY_MS = 86_400_000;
/** Characters; no date has more. */
const MAX_LENGTH = 100;

/** Returns seconds from `now` on, negative for a past date; undefined for a value that can't be read. */
export function secondsIn(value: unknown, kind: TimeKind, reading: Reading): number | undefined {
  if (typeof value !== "number" && typeof value !== "string") return undefined;
  const text = String(value).trim();
  if (text.length > MAX_LENGTH) return undefined;
  const { format, zone = "UTC", now } = reading;
  const until = (at: number | undefined) => at && (at - now) / 1_000;
  const isNumber = NUMBER.test(text) && !isDigitalDate(text);
  if (format !== undefined) {
    const left = until(parseWithFormat(text, format, zone));
    return left === undefined && isNumber && kind === "duration"
      ? ofNumber(Number(text), kind, reading)
      : left;
  }
  if (isNumber) return ofNumber(Number(text), kind, reading);
  return durationIn(text) ?? until(parseInstant(text, zone));
}

/** Reads a number of the given unit. Without a unit the size of a date tells whether it is s, ms, µs or ns. */
function ofNumber(number: number, kind: TimeKind, { unit, now }: Reading): number | undefined {
  const duration = seconds(number * UNITS[unit ?? "s"]);
  if (duration === undefined) return undefined;
  const since1970 = unit === undefined ? guessedSeconds(number) : duration;
  const at = since1970 * 1_000;
  // Labelf's tokens live 99 years: as a duration, only what can't be anything but a date counts as one.
  const isNear = at > now - DAY_MS && at < now + 20 * 366 * DAY_MS;
  const isDate = kind === "instant" ? since1970 >= LEAST_DATE : isNear;
  return isDate ? (at - now) / 1_000 : duration;
}

function guessedSeconds(number: number): number {
  if (number < 1e11) return number;
  if (number < 1e14) return number / 1e3;
  return number < 1e17 ? number / 1e6 : number / 1e9;
}

/** Reads `3600s`, `90 min`, `1h`, `7 days`. */
function durationIn(text: string): number | undefined {
  const [, amount, ...units] = DURATION.exec(text) ?? [];
  const index = units.findIndex((unit) => unit !== undefined);
  if (index === -1) return undefined;
  const names = ["ms", "s", "min", "h", "d"] as const;
  return seconds(Number(amount) * UNITS[names[index]!]);
}
