import { AuthdError } from "./errors.ts";
import type { Acquired, Grant } from "./grants/grant.ts";
import type { Http } from "./http.ts";
import { createIssuerSend } from "./issuer.ts";
import type { Variation } from "./record.ts";
import type { CredentialSettings } from "./settings.ts";
import type { Moment, Timekeeper } from "./timekeeper.ts";

/** What one successful token request brought, and when. */
export interface Won {
  acquired: Acquired;
  sent: Moment;
  answered: Moment;
}

export interface Try {
  settings: CredentialSettings;
  grant: Grant;
  secrets: Readonly<Record<string, string>>;
  want: Variation;
  http: Http;
  time: Timekeeper;
}

/** One token request. Rejects with an AuthdError that carries `contact`. */
export async function acquire({ settings, grant, secrets, want, http, time }: Try): Promise<Won> {
  const send = createIssuerSend({
    http,
    credential: settings.name,
    allowInsecureHttp: settings.allowInsecureHttp,
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
  });
  const sent = time.now();
  const acquired = await grant.acquire({
    credential: settings.name,
    settings: settings.own,
    fields: settings.fields,
    secrets,
    ...want,
    rejectedStatuses: settings.rejectedStatuses,
    now: sent.wall,
    send,
  });
  return { acquired, sent, answered: time.now() };
}

/** The request went out and no complete answer came back: the issuer may have spent the refresh token. */
export function isLost(error: unknown): boolean {
  return error instanceof AuthdError && error.contact?.sent === true && !error.contact.answered;
}
