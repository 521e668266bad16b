const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365.25 * DAY;

/** Unit for durations up to `below` ms. */
const UNITS = [
  { below: 100 * SECOND, ms: SECOND, name: "s" },
  { below: 100 * MINUTE, ms: MINUTE, name: "min" },
  { below: 48 * HOUR, ms: HOUR, name: "h" },
  { below: 2 * YEAR, ms: DAY, name: "days" },
  { below: Number.POSITIVE_INFINITY, ms: YEAR, name: "years" },
] as const;

/** Formats a duration in one unit: "42 s", "52 min", "99 years". */
export function duration(ms: number): string {
  const unit = UNITS.find((each) => ms < each.below) ?? UNITS[4];
  return `${Math.max(0, Math.round(ms / unit.ms))} ${unit.name}`;
}

/** Formats a time relative to `now`: "in 52 min", "3 h ago". */
export function fromNow(at: number, now: number): string {
  return at >= now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`;
}

/** Formats a token's expiry: "expires in 52 min", "expired 3 h ago". */
export function expiry(at: number, now: number): string {
  return `${at >= now ? "expires" : "expired"} ${fromNow(at, now)}`;
}

/** Formats a time in local time: "2026-01-31 14:05:09"; "never" beyond what a date can hold. */
export function moment(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "never";
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
