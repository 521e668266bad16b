import { missing, percent, render } from "../base/template.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { IssuedToken } from "../credential/issued-token.ts";
import { keptTemplateValues } from "../credential/kept-values.ts";
import { AuthdError } from "../errors.ts";

const BASE = /^\{kept\.[A-Za-z0-9_-]+\}/;

/** True if a URL of a credential file has kept values in it. */
export function hasKept(url: string): boolean {
  return url.includes("{kept.");
}

/**
 * Fills a token's kept values into a URL of the credential file: one at the very start is the base, as it is;
 * all others are percent-encoded. Throws AuthdError `request_failed` if the issuer has not given one.
 */
export function fillKept(
  url: string,
  settings: CredentialSettings,
  { kept }: Pick<IssuedToken, "kept">,
): string {
  const values = keptTemplateValues(settings, kept);
  const absent = missing(url, values);
  if (absent !== undefined) throw notKept(settings.name, absent);
  const base = BASE.exec(url)?.[0] ?? "";
  return (
    render(base, values, (value) => value.replace(/(?<!\/)\/+$/, "")) +
    render(url.slice(base.length), values, percent)
  );
}

function notKept(credential: string, name: string): AuthdError {
  return new AuthdError(
    "request_failed",
    `${credential}: verify.url needs {${name}}, which the issuer's answer does not have. Check response.keep, then: authd refresh ${credential}`,
    { credential },
  );
}
