/** Converts local times to instants: by a named zone of Node's own tables, or by a fixed offset. */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Offsets (hours) that RFC 822 section 5.1 names. */
const NAMED_OFFSETS: Readonly<Record<string, number>> = {
  ...{ Z: 0, UT: 0, UTC: 0, GMT: 0 },
  ...{ EST: -5, EDT: -4, CST: -6, CDT: -5, MST: -7, MDT: -6, PST: -8, PDT: -7 },
};

/** Formatters by zone: creating one takes longer than using it. */
const formatters = new Map<string, Intl.DateTimeFormat>();

/** Parses `Z`, `UTC`, `+02:00`, `-0500`, `+01`, or an abbreviation of RFC 822; returns ms, undefined for any other text. */
export function parseOffset(text: string): number | undefined {
  const name = text.toUpperCase();
  if (Object.hasOwn(NAMED_OFFSETS, name)) return NAMED_OFFSETS[name]! * 60 * MINUTE_MS;
  const [, sign, hours, minutes = "0"] =
    /^(?:UTC|GMT)?([+-])(\d\d?)(?::?(\d\d))?$/.exec(name) ?? [];
  if (hours === undefined || Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const offset = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
  return sign === "-" ? -offset : offset;
}

/** True for `UTC`, an offset such as `+02:00`, and a name of the tz database such as `Europe/Berlin`. */
export function isTimeZone(zone: string): boolean {
  if (parseOffset(zone) !== undefined) return true;
  try {
    return formatterOf(zone) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Converts a local time, given as ms as if it were UTC, to ms since the epoch. Of the two instants that an
 * hour repeated in autumn can mean, returns the earlier: a token then ends too early rather than too late.
 */
export function toInstant(local: number, zone: string): number {
  const fixed = parseOffset(zone);
  if (fixed !== undefined) return local - fixed;
  const [before, after] = [local - DAY_MS, local + DAY_MS].map((at) => local - offsetAt(at, zone));
  const fitting = [before!, after!].filter((at) => at + offsetAt(at, zone) === local);
  return fitting.length > 0 ? Math.min(...fitting) : before!;
}

function offsetAt(at: number, zone: string): number {
  const parts = formatterOf(zone).formatToParts(at);
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value);
  const date = [part("year"), part("month") - 1, part("day")] as const;
  const local = Date.UTC(...date, part("hour"), part("minute"), part("second"));
  return local - Math.floor(at / 1_000) * 1_000;
}

/** Throws RangeError for an unknown zone. */
function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone: zone, calendar: "iso8601", hourCycle: "h23" },
    ...{ year: "numeric", month: "2-digit", day: "2-digit" },
    ...{ hour: "2-digit", minute: "2-digit", second: "2-digit" },
  });
  formatters.set(zone, made);
  return made;
}
