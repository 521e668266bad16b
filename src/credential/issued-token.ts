import { omitUndefined } from "../base/omit-undefined.ts";
import {
  cookieValue,
  type Encode,
  headerValue,
  missing,
  noEncoding,
  render,
  type TemplateValues,
} from "../base/template.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { derivedSecrets } from "../grants/index.ts";
import type { GetTokenResult } from "../protocol.ts";
import { extraOf, type Kept, keptTemplateValues, originsIn } from "./kept-values.ts";
import { expiresAt, type Token } from "./token.ts";

/** A token ready to be handed out. */
export interface IssuedToken {
  readonly accessToken: string;
  readonly tokenType: string;
  readonly scope?: string;
  /** Values that are kept of the issuer's answer, by name. */
  readonly kept?: Kept;
  /** Origins that they name, to which the token may go, too. */
  readonly keptOrigins?: readonly string[];
  readonly token: Token;
  /** Read from the sealed record at start: it was not obtained by this process. */
  readonly isRestored: boolean;
  /** Frozen, so that its JSON is made once. */
  readonly answer: GetTokenResult;
}

/** The token's own fields, from an issuer's response or a sealed record. */
type TokenFields = Pick<IssuedToken, "accessToken" | "tokenType" | "scope" | "kept">;

/** The templates of the headers, and the secrets that fill them. */
export interface HeaderSource {
  settings: CredentialSettings;
  secrets: Readonly<Record<string, string>>;
}

/** Builds a token together with the response that clients get for it. */
export function buildIssuedToken(
  { accessToken, tokenType, scope, kept }: TokenFields,
  { token, isRestored }: Pick<IssuedToken, "token" | "isRestored">,
  { settings, secrets }: HeaderSource,
  now: Moment,
): IssuedToken {
  const fields: TokenFields = omitUndefined({ accessToken, tokenType, scope });
  const extra = kept && extraOf(settings, kept);
  const answer: GetTokenResult = Object.freeze({
    ...fields,
    expiresAt: expiresAt(token, now),
    ...buildSent({ settings, secrets }, accessToken, kept),
    ...(extra && { extra }),
  });
  const keptOrigins = settings.keptOrigins && originsIn(settings, kept);
  return Object.freeze({
    ...{ ...fields, token, isRestored, answer },
    ...omitUndefined({ kept, keptOrigins }),
  });
}

/**
 * Fills in what is sent to the API. Leaves out a member that needs an optional secret which was not given, or a
 * value that the issuer did not give.
 */
function buildSent(
  { settings, secrets }: HeaderSource,
  token: string,
  kept: Kept | undefined,
): Pick<GetTokenResult, "headers" | "query" | "body"> {
  const values = templateValues({ settings, secrets }, token, kept);
  const { query, cookie, body } = settings.placement ?? {};
  const filled = Object.entries(fillIn(settings.headers, values, headerValue));
  const headers = Object.fromEntries(filled.map(([name, value]) => [name, sayOnce(value)]));
  if (cookie) {
    const pairs = Object.entries(fillIn(cookie, values, cookieValue));
    headers.cookie = pairs.map((pair) => pair.join("=")).join("; ");
  }
  return {
    headers: Object.freeze(headers),
    ...(query && { query: Object.freeze(fillIn(query, values, noEncoding)) }),
    ...(body && { body: Object.freeze(fillIn(body, values, noEncoding)) }),
  };
}

/** Returns what functions of templates make of secrets and of the token: no message may show it. */
export function derivedIn(
  source: HeaderSource,
  { accessToken, kept }: Pick<IssuedToken, "accessToken" | "kept">,
): string[] {
  const { headers, placement } = source.settings;
  const values = templateValues(source, accessToken, kept);
  return Object.values(derivedSecrets([headers, placement], values));
}

function templateValues(
  { settings, secrets }: HeaderSource,
  token: string,
  kept: Kept | undefined,
): TemplateValues {
  return {
    ...settings.fields,
    token,
    ...Object.fromEntries(settings.secrets.map(({ name }) => [`secret.${name}`, secrets[name]])),
    ...keptTemplateValues(settings, kept),
  };
}

function fillIn(
  templates: Readonly<Record<string, string>>,
  values: TemplateValues,
  encode: Encode,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(templates)
      .filter(([, template]) => missing(template, values) === undefined)
      .map(([name, template]) => [name, render(template, values, encode)]),
  );
}

/** Drops the second "Bearer" of a header: a token that a person entered may say it, too. */
function sayOnce(header: string): string {
  return header.replace(/^(Bearer +)(?:Bearer +)+(?=\S)/i, "$1");
}
