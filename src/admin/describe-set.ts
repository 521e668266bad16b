/** Describes a change of settings to the person who has to agree to it. */
import { quoted } from "../base/terminal-safe.ts";
import { isTable } from "../config/json-table.ts";
import type { ParamsOf } from "../protocol.ts";

/** Keys whose values decide where secrets and tokens go: their values are shown. */
const DESTINATION = /(^|[._])(url|origins?|ca_file|allow_insecure_http|follow|region)$/;

/**
 * Names the settings and secrets of a change, those that decide where secrets go first and with their
 * values: `credentials/set token_url=https://issuer.example client_id`.
 */
export function describeSet({
  settings = {},
  secrets = {},
  unset = [],
}: ParamsOf<"credentials/set">): string {
  const values = flatten(settings);
  const destinations = values.filter(([key]) => DESTINATION.test(key));
  const others = values.filter(([key]) => !DESTINATION.test(key)).map(([key]) => key);
  const names = [...others, ...Object.keys(secrets), ...unset];
  return [
    "credentials/set",
    ...destinations.map(([key, value]) => `${quoted(key)}=${quoted(shownValue(value))}`),
    ...names.map(quoted),
  ].join(" ");
}

/** Returns dotted keys and values: tables may be given as a whole, or by dotted keys. */
function flatten(settings: Readonly<Record<string, unknown>>, prefix = ""): [string, unknown][] {
  return Object.entries(settings).flatMap(([key, value]): [string, unknown][] =>
    isTable(value) ? flatten(value, `${prefix}${key}.`) : [[`${prefix}${key}`, value]],
  );
}

/** Returns the origin of a URL, which is what decides; other values as they are. */
function shownValue(value: unknown): string {
  const items = Array.isArray(value) ? value : [value];
  return items
    .map((item) => (typeof item === "string" ? originOr(item) : JSON.stringify(item)))
    .join(",");
}

function originOr(text: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : "null";
  return origin === "null" ? text : origin;
}
