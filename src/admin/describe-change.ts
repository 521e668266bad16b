/** Describes a change of settings to the person who has to agree to it. */
import { quoted } from "../base/terminal-safe.ts";
import { isTable } from "../config/json-table.ts";
import { AuthdError } from "../errors.ts";
import { type Difference, MAX_CHANGE_LENGTH, type ParamsOf } from "../protocol.ts";

/** Keys whose values decide where secrets and tokens go: their values are shown. */
const DESTINATION = /(^|[._])(url|origins?|ca_file|allow_insecure_http|follow|region)$|^fields\./;
/** Keys that say who may use the credential: they are named before others. */
const RULE = /^(confirm|expose|methods|paths|allow|deny)\b/;

export interface DescribedChange {
  method: "credentials/add" | "credentials/set" | "credentials/trust";
  /** Name of the credential. */
  name: string;
  /** True if the question is about another credential, so that this one has to be named. */
  isForOther?: boolean;
  /** What the change comes to, with presets and fields filled in. */
  differences?: readonly Difference[];
  /** True if `differences` are named that are no destinations; false if `given` names what changes. */
  namesAll?: boolean;
  /** Settings and names as a person gives them. */
  given?: Pick<ParamsOf<"credentials/set">, "settings" | "secrets" | "unset">;
  /** Names of the fields that a preset's addresses are made of. */
  fields?: readonly string[];
}

/**
 * Names what a change changes, all that decides where secrets go first and with its values:
 * `credentials/set token_url=https://issuer.example client_id`. Throws AuthdError `invalid_params` if
 * that is more than one question can show: nothing of it is ever left out.
 */
export function describeChange(change: DescribedChange): string {
  const { method, name, given: { secrets = {}, unset = [] } = {}, namesAll = false } = change;
  const { isForOther = false } = change;
  const values = valuesOf(change);
  const isShown = ([key, value]: [string, unknown]) => isDestination(key, value, change.fields);
  const destinations = values.filter(([, value]) => value !== null).filter(isShown);
  const shown = new Set(destinations.map(([key]) => key));
  const given = flatten(change.given?.settings ?? {}).map(([key]) => key);
  const changed = namesAll
    ? values.map(([key]) => key)
    : values.filter(isShown).map(([key]) => key);
  const names = [...given, ...changed, ...Object.keys(secrets), ...unset];
  const others = [...new Set(names)].filter((key) => !shown.has(key));
  const text = [
    method,
    ...(isForOther ? [name] : []),
    ...destinations.map(([key, value]) => `${quoted(key)}=${shownValue(value)}`),
  ].join(" ");
  if (text.length > MAX_CHANGE_LENGTH) throw tooMuch(name);
  return withNames(text, [
    ...others.filter((key) => RULE.test(key)),
    ...others.filter((key) => !RULE.test(key)),
  ]);
}

/** Returns the values by dotted key: those that are in force after the change go before those that were given. */
function valuesOf({ given, differences = [] }: DescribedChange): [string, unknown][] {
  const values = new Map(flatten(given?.settings ?? {}));
  const path = values.get("ca_file");
  for (const { key, is } of differences) {
    if (isTable(is)) for (const [inner, value] of flatten(is, `${key}.`)) values.set(inner, value);
    else values.set(key, is);
  }
  // A path says more than the digest of its content.
  if (path !== undefined) values.set("ca_file", path);
  return [...values];
}

function isDestination(key: string, value: unknown, fields: readonly string[] = []): boolean {
  const items = Array.isArray(value) ? value : [value];
  const hasUrl = items.some(
    (item) => typeof item === "string" && /^\s*[a-z][\w+.-]*:\/\//i.test(item),
  );
  return DESTINATION.test(key) || fields.includes(key) || hasUrl;
}

/** Returns dotted keys and values: tables may be given as a whole, or by dotted keys. */
function flatten(settings: Readonly<Record<string, unknown>>, prefix = ""): [string, unknown][] {
  return Object.entries(settings).flatMap(([key, value]): [string, unknown][] =>
    isTable(value) ? flatten(value, `${prefix}${key}.`) : [[`${prefix}${key}`, value]],
  );
}

/** Returns each item of a list in quotes of its own, so that none is cut for the sake of another. */
function shownValue(value: unknown): string {
  const items = Array.isArray(value) ? value : [value];
  if (items.length === 0) return "none";
  const texts = items.map((item) =>
    typeof item === "string" ? originOr(item) : JSON.stringify(item),
  );
  return [...new Set(texts)].map(quoted).join(",");
}

/** Returns the origin of a URL, which is what decides; of one with templates in it what stands for the origin. */
function originOr(text: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : "null";
  if (origin !== "null") return origin;
  return /^[a-z][\w+.-]*:\/\/[^/\\?#]*/i.exec(text)?.[0] ?? text;
}

/** Adds as many names as there is room for, and the number of the others. */
function withNames(text: string, names: readonly string[]): string {
  const room = MAX_CHANGE_LENGTH - " and 99999 more".length;
  let all = text;
  for (const [index, name] of names.entries()) {
    const next = `${all} ${quoted(name)}`;
    if (next.length > room) return `${all} and ${names.length - index} more`;
    all = next;
  }
  return all;
}

function tooMuch(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: this changes more places where its secrets go than one question to a person can show. Nothing was changed; change them in several steps`,
    { credential: name },
  );
}
