import type { GetTokenResult } from "./protocol.ts";
import type { CredentialSettings } from "./settings.ts";
import { headerValue, missing, render, type TemplateValues } from "./template.ts";
import type { Moment } from "./timekeeper.ts";
import { expiresAt, type Token } from "./token.ts";

/** A token ready to be handed out. */
export interface IssuedToken {
  readonly accessToken: string;
  readonly tokenType: string;
  readonly scope?: string;
  readonly token: Token;
  /** From before this start of the daemon. */
  readonly revived: boolean;
  /** Frozen, so that its JSON is made once. */
  readonly answer: GetTokenResult;
}

export type Issue = Omit<IssuedToken, "answer">;

/** Completes a token with what clients are told of it; `headers` are the credential's templates. */
export function issue(
  parts: Issue,
  settings: CredentialSettings,
  secrets: Readonly<Record<string, string>>,
  now: Moment,
): IssuedToken {
  const headers = headersOf(settings, secrets, parts.accessToken);
  const answer: GetTokenResult = Object.freeze({
    accessToken: parts.accessToken,
    tokenType: parts.tokenType,
    expiresAt: expiresAt(parts.token, now),
    ...(parts.scope === undefined ? {} : { scope: parts.scope }),
    headers: Object.freeze(headers),
  });
  return Object.freeze({ ...parts, answer });
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
