/** Values that authd makes for each token request: the time in the usual spellings, and a random id. */
import { randomUUID } from "node:crypto";

const iso = (at: number) => new Date(at).toISOString();

/** One row a name of templates; `at` is the wall clock, ms since the epoch. */
const rows = {
  now: (at) => String(Math.floor(at / 1000)),
  now_ms: (at) => String(Math.floor(at)),
  /** ISO 8601 in UTC: 2026-11-30T09:05:07Z. */
  now_iso: (at) => iso(at).replace(/\.\d+Z$/, "Z"),
  /** 2026-11-30T09:05:07.089Z. */
  now_iso_ms: (at) => iso(at),
  /** 20261130T090507Z. */
  now_basic: (at) => iso(at).replace(/[-:]|\.\d+/g, ""),
  /** 20261130090507. */
  now_digits: (at) => iso(at).replace(/\D/g, "").slice(0, 14),
  /** The day in UTC: 2026-11-30. */
  now_date: (at) => iso(at).slice(0, 10),
  /** An HTTP date (RFC 9110 section 5.6.7). */
  now_http: (at) => new Date(at).toUTCString(),
  /** A random UUID (RFC 9562), one for each token request. */
  uuid: () => randomUUID(),
} satisfies Record<string, (at: number) => string>;

export const GENERATED_NAMES: readonly string[] = Object.keys(rows);

/** Returns the value of each name, of one moment. */
export function generatedValues(at: number): Record<string, string> {
  return Object.fromEntries(Object.entries(rows).map(([name, make]) => [name, make(at)]));
}
