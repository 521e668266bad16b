import { headerValue, missing, render, type TemplateValues } from "../base/template.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { GetTokenResult } from "../protocol.ts";
import { expiresAt, type Token } from "./token.ts";

/** A token ready to be handed out. */
export interface IssuedToken {
  readonly accessToken: string;
  readonly tokenType: string;
  readonly scope?: string;
  readonly token: Token;
  /** From before this start of the daemon. */
  readonly isRestored: boolean;
  /** Frozen, so that its JSON is made once. */
  readonly answer: GetTokenResult;
}

/** What an issuer said, or a sealed record holds. */
type TokenFields = Pick<IssuedToken, "accessToken" | "tokenType" | "scope">;

/** What the headers are filled in from. */
export interface HeaderSource {
  settings: CredentialSettings;
  secrets: Readonly<Record<string, string>>;
}

/** Completes a token with what clients are told of it. */
export function buildIssuedToken(
  { accessToken, tokenType, scope }: TokenFields,
  { token, isRestored }: Pick<IssuedToken, "token" | "isRestored">,
  { settings, secrets }: HeaderSource,
  now: Moment,
): IssuedToken {
  const words: TokenFields = { accessToken, tokenType, ...(scope === undefined ? {} : { scope }) };
  const answer: GetTokenResult = Object.freeze({
    ...words,
    expiresAt: expiresAt(token, now),
    headers: Object.freeze(headersOf(settings, secrets, accessToken)),
  });
  return Object.freeze({ ...words, token, isRestored, answer });
}

/** A header that needs an optional secret which was not given is left out. */
function headersOf(
  settings: CredentialSettings,
  secrets: Readonly<Record<string, string>>,
  token: string,
): Record<string, string> {
  const values: TemplateValues = {
    token,
    ...Object.fromEntries(settings.secrets.map(({ name }) => [`secret.${name}`, secrets[name]])),
  };
  return Object.fromEntries(
    Object.entries(settings.headers)
      .filter(([, template]) => missing(template, values) === undefined)
      .map(([name, template]) => [name, render(template, values, headerValue)]),
  );
}
