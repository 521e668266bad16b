/** Patterns for origins, `https://*.example.com`: one label in place of the star, https and its default port. */
import { createRequire } from "node:module";
import { AuthdError } from "../errors.ts";

/** The part of tldts that is used: the Public Suffix List. */
interface PublicSuffixList {
  getDomain(host: string, options: { allowPrivateDomains: boolean }): string | null;
}

const require = createRequire(import.meta.url);
const PREFIX = "https://*.";

/** True for a text that is meant as a pattern. */
export function isOriginPattern(text: string): boolean {
  return text.includes("*");
}

/**
 * Reads a pattern. Throws AuthdError `invalid_params` that names `key`, also for a pattern that would match
 * hosts of different owners: the domain must be registrable (`example.co.uk`), or lie below such a one.
 * `isShared` permits the domains of hosting services, each of whose subdomains is somebody else's
 * (`s3.amazonaws.com`): for places that get no secret.
 */
export function parseOriginPattern(text: string, key: string, isShared = false): string {
  const domain = text.startsWith(PREFIX) ? text.slice(PREFIX.length).replace(/\/$/, "") : "";
  const host = URL.canParse(`https://${domain}`) ? new URL(`https://${domain}`).host : "";
  if (host === "" || host.toLowerCase() !== domain.toLowerCase() || !/^[a-z0-9.-]+$/.test(host)) {
    throw patternError(
      key,
      "must be an origin, or a pattern such as https://*.example.com: https, one star for one label, no port and no path",
    );
  }
  if (registrableDomain(host, isShared) !== null) return PREFIX + host;
  throw patternError(
    key,
    `must not match every host below ${host}, under which anybody can have one: name a domain of one owner, such as https://*.example.com`,
  );
}

/** True if `origin`, spelled as `new URL(x).origin`, is one that `pattern` stands for. */
export function matchesPattern(origin: string, pattern: string): boolean {
  const end = pattern.slice(PREFIX.length - 1);
  if (!origin.startsWith("https://") || !origin.endsWith(end)) return false;
  return /^[a-z0-9_-]+$/.test(origin.slice("https://".length, -end.length));
}

/** True if `origin` is one of `entries`, which are origins and patterns. */
export function isListed(origin: string, entries: readonly string[]): boolean {
  return entries.some((entry) =>
    isOriginPattern(entry) ? matchesPattern(origin, entry) : entry === origin,
  );
}

/** Returns the registrable domain that a host belongs to; null: it is a public suffix, or an address. */
function registrableDomain(host: string, isShared: boolean): string | null {
  // Loaded with the first pattern: the list takes 6 MB.
  const { getDomain } = require("tldts") as PublicSuffixList;
  return getDomain(host, { allowPrivateDomains: !isShared });
}

function patternError(key: string, what: string): AuthdError {
  return new AuthdError("invalid_params", `${key} ${what}.`);
}
