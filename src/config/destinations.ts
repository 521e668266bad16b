/** Checks every address that a credential's secrets and tokens go to. */
import { placeholders } from "../base/placeholders.ts";
import { AuthdError } from "../errors.ts";
import { CALLER_VALUES, exampleUrl } from "../grants/exchange-request.ts";
import { type Subject, subjectAddresses } from "../grants/index.ts";
import type { Fields } from "./fields.ts";
import { fillText } from "./fill.ts";
import { isTable, type Table } from "./json-table.ts";
import { isIndirect, keptUrl } from "./kept-origins.ts";
import { isOriginPattern, parseOriginPattern } from "./origin-pattern.ts";
import type { Preset } from "./preset.ts";
import { stepsIn } from "./request-steps.ts";
import type { Common } from "./schema.ts";
import type { CredentialSettings, KeptOrigins, RegisterRequest } from "./settings.ts";
import { parseOrigin, parseSourceUrl, parseUrl } from "./urls.ts";

/** Checks the addresses that a grant sends secrets to: `…_url`, and the URL of an exchange's request. */
export function checkUrls(own: Table, fields: Fields, allowInsecureHttp: boolean): void {
  for (const [key, value] of Object.entries(own)) {
    if (key.endsWith("_url") || key === "issuer") parseUrl(String(value), key, allowInsecureHttp);
  }
  const subject = isTable(own.subject) ? subjectAddresses(own.subject as Subject) : [];
  for (const { key, url, secure } of subject) {
    if (secure) parseUrl(url, key, false);
    else parseSourceUrl(url, key, allowInsecureHttp);
  }
  for (const { key, step } of Object.entries(own).flatMap(([at, value]) => stepsIn(at, value))) {
    checkRequestUrl(`${key}.url`, String(step.url), fields, allowInsecureHttp);
  }
}

/** Throws AuthdError `invalid_params` unless nothing but fields, which the file binds, says to which host a request goes. */
function checkRequestUrl(
  key: string,
  template: string,
  { values }: Fields,
  allowInsecureHttp: boolean,
): void {
  if (beginsElsewhere(template, values)) throw openHost(key);
  const [url, other] = ["1", "2"].map((example) =>
    parseSourceUrl(exampleUrl(template, values, example, key), key, allowInsecureHttp),
  );
  if (url?.origin !== other?.origin) throw openHost(key);
}

/** True if a template begins with the value of anything but a field. */
function beginsElsewhere(template: string, fields: Fields["values"]): boolean {
  const [first] = placeholders(template);
  if (first === undefined || !template.startsWith(first.text)) return false;
  return !Object.hasOwn(fields, first.name) || CALLER_VALUES.includes(first.name);
}

function openHost(key: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${key} must not have a secret, a value of an answer, or a caller's {scope} or {audience}, in its host: the secrets would go wherever that says. Its host is text, or a field of the file.`,
  );
}

/** Returns the origins that need no answer of an issuer. A preset derives them from a base URL with its path; in a file a path is a mistake. */
export function originsOf(common: Common, derived: boolean): readonly string[] {
  const allowInsecureHttp = common.allow_insecure_http === true;
  const origins = (common.origins ?? []).flatMap((origin, index) => {
    if (isIndirect(origin)) return [];
    return derived
      ? parseUrl(origin, `origins[${index}]`, allowInsecureHttp).origin
      : parseOrigin(origin, `origins[${index}]`, allowInsecureHttp);
  });
  return [...new Set(origins)];
}

/** Returns the origins and patterns of `follow`; a hosting service may be among them, as no secret goes there. */
export function followOf({ follow, allow_insecure_http }: Common): readonly string[] | undefined {
  const entries = follow?.map((entry, index) => {
    const key = `follow[${index}]`;
    return isOriginPattern(entry)
      ? parseOriginPattern(entry, key, true)
      : parseOrigin(entry, key, allow_insecure_http === true);
  });
  return entries?.length ? [...new Set(entries)] : undefined;
}

/**
 * Returns the request of `authd test`, which must go to an origin of the credential. The preset's request
 * (`moves`) goes to the first origin where a file lists others than the preset's, such as a test server.
 */
export function verifyOf(
  common: Common,
  origins: readonly string[],
  moves: boolean,
  keptOrigins?: KeptOrigins,
): CredentialSettings["verify"] {
  if (!common.verify) return undefined;
  const { method = "GET" } = common.verify;
  if (common.verify.url.includes("{kept.")) {
    return { method, url: keptUrl(common.verify.url, "verify.url", origins, keptOrigins) };
  }
  const url = parseUrl(common.verify.url, "verify.url", common.allow_insecure_http === true);
  if (origins.includes(url.origin)) return { method, url: url.href };
  const first = origins[0];
  if (moves) {
    return first === undefined
      ? undefined
      : { method, url: new URL(url.pathname + url.search, first).href };
  }
  throw new AuthdError(
    "invalid_params",
    `verify.url is outside the allowed origins: add ${url.origin} to origins, or verify at one that is there.`,
  );
}

/** Returns the request that registers an account: its URL is filled in here, the rest when it is sent. */
export function registerOf(
  preset: Preset | undefined,
  fields: Fields,
  allowInsecureHttp: boolean,
): RegisterRequest | undefined {
  if (!preset?.register) return undefined;
  const url = fillText(preset.register.url, fields, "url");
  if (url === undefined) return undefined;
  return { ...preset.register, url: parseUrl(url, "register.url", allowInsecureHttp).href };
}
