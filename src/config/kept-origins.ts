/** Origins that come out of an issuer's answer, and the patterns of the credential file that limit them. */
import { didYouMean } from "../base/suggest.ts";
import { AuthdError } from "../errors.ts";
import { isOriginPattern, matchesPattern, parseOriginPattern } from "./origin-pattern.ts";
import type { KeptOrigins, KeptPlaces } from "./settings.ts";

const ENTRY = /^\{kept\.([A-Za-z0-9_-]+)\}$/;

/** Returns true for an entry of `origins` that is no origin itself. */
export function isIndirect(entry: string): boolean {
  return entry.includes("{kept.") || isOriginPattern(entry);
}

/**
 * Reads the entries of `origins` that are no origins themselves; undefined: there are none. `kept`: the values
 * that the file keeps; undefined: not known here. Throws AuthdError `invalid_params`.
 */
export function keptOriginsOf(
  entries: readonly string[],
  kept: KeptPlaces | undefined,
): KeptOrigins | undefined {
  const from: string[] = [];
  const within: string[] = [];
  for (const [index, entry] of entries.entries()) {
    const key = `origins[${index}]`;
    if (entry.includes("{kept.")) from.push(nameIn(entry, key, kept));
    else if (isOriginPattern(entry)) within.push(parseOriginPattern(entry, key));
  }
  if (from.length > 0 && within.length === 0) {
    throw originError(
      `origins has {kept.${from[0]}}, which an issuer's answer fills in, and no pattern that limits it: add one, such as "https://*.example.com".`,
    );
  }
  if (within.length > 0 && from.length === 0) {
    throw originError(
      `origins has the pattern ${within[0]}, which admits nothing by itself: add the value of the issuer's answer that it limits, such as "{kept.api}" (see response.keep), or list each origin.`,
    );
  }
  return from.length === 0 ? undefined : { from, within };
}

function nameIn(entry: string, key: string, kept: KeptPlaces | undefined): string {
  const name = ENTRY.exec(entry)?.[1];
  if (name === undefined) {
    throw originError(
      `${key} must be {kept.NAME} alone: the whole origin comes from the issuer's answer.`,
    );
  }
  if (kept === undefined) return name;
  const place = Object.hasOwn(kept, name) ? kept[name] : undefined;
  if (place === undefined) {
    throw originError(
      `${key} names {kept.${name}}, which response.keep does not have.${didYouMean(name, Object.keys(kept))}`,
    );
  }
  if (!place.secret) return name;
  throw originError(
    `${key} names {kept.${name}}, which is secret: an origin is shown in messages.`,
  );
}

/** Returns the origin that a value of an answer stands for, if a pattern admits it. */
export function admittedOrigin(value: string, { within }: KeptOrigins): string | undefined {
  // URL parsers drop or turn some characters, and what stands before an @ is no host.
  if (!/^https:\/\/[^\s\\@?#]+$/i.test(value) || !URL.canParse(value)) return undefined;
  const { origin } = new URL(value);
  return within.some((pattern) => matchesPattern(origin, pattern)) ? origin : undefined;
}

/** True if a kept value could be this origin. */
export function mayBeKept(origin: string, { within }: KeptOrigins): boolean {
  return within.some((pattern) => matchesPattern(origin, pattern));
}

/** Returns the entries as a credential file has them. */
export function originEntries({ from, within }: KeptOrigins): string[] {
  return [...from.map((name) => `{kept.${name}}`), ...within];
}

/**
 * Checks a URL with kept values in it, which stays a template: it begins with the kept origin, or with one of
 * `origins`. Throws AuthdError `invalid_params` that names `key`.
 */
export function keptUrl(
  url: string,
  key: string,
  origins: readonly string[],
  keptOrigins: KeptOrigins | undefined,
): string {
  const [, name, path = ""] = /^\{kept\.([A-Za-z0-9_-]+)\}(.*)$/s.exec(url) ?? [];
  if (name !== undefined) {
    if (keptOrigins?.from.includes(name) && /^([/?]|$)/.test(path)) return url;
    throw originError(
      `${key} begins with {kept.${name}}, so origins must have "{kept.${name}}", and a path must follow.`,
    );
  }
  const [one, other] = ["1", "2"].map((value) => url.replaceAll(/\{kept\.[^}]*\}/g, value));
  const isFixed = [one, other].every((text) => URL.canParse(text!));
  const origin = isFixed ? new URL(one!).origin : undefined;
  if (origin !== undefined && origin === new URL(other!).origin && origins.includes(origin)) {
    return url;
  }
  throw originError(
    `${key} must begin with one of origins: a kept value fills in the whole origin, or a part of the path or query.`,
  );
}

function originError(message: string): AuthdError {
  return new AuthdError("invalid_params", message);
}
