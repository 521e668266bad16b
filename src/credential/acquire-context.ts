/** Puts together what a grant works with, for one request to the issuer. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AcquireContext, SendToIssuer } from "../grants/grant.ts";
import { type Dpop, grantNamed } from "../grants/index.ts";
import { type IssuerMetadata, withEndpoints } from "../grants/login/index.ts";
import { knownMetadata } from "./issuer-metadata.ts";
import type { CredentialRecord } from "./record.ts";

export interface AcquireInputs {
  settings: CredentialSettings;
  record: Readonly<CredentialRecord>;
  secrets: Readonly<Record<string, string>>;
  held: readonly string[];
  /** Wall clock, ms. */
  now: number;
  send: SendToIssuer;
  dpop: Dpop | undefined;
}

/** Returns the context with the addresses that the file leaves to the issuer, and its metadata. */
export function acquireContext({
  settings,
  record,
  secrets,
  dpop,
  ...given
}: AcquireInputs): AcquireContext<unknown> & { metadata?: IssuerMetadata } {
  const metadata = knownMetadata(settings, record);
  const { signsIn } = grantNamed(settings.grant);
  return {
    credential: settings.name,
    settings: withEndpoints(settings.own, metadata, Boolean(secrets.client_secret)),
    fields: settings.fields,
    rejectedOn: settings.rejectedOn,
    lifetime: settings.lifetime,
    ...{ secrets, ...given },
    ...omitUndefined({ metadata, dpop, signsIn: signsIn && true }),
  };
}
