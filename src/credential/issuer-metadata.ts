/** Keeps the metadata of a credential's issuer in its sealed record, where its file leaves addresses to `issuer`. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import {
  discover,
  foreignEndpoints,
  type IssuerMetadata,
  usesAliases,
} from "../grants/login/index.ts";
import { createIssuerSend } from "../http/issuer.ts";
import type { Difference } from "../protocol.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { CredentialRecord } from "./record.ts";

interface Keeper {
  settings: CredentialSettings;
  record: CredentialRecord;
  /** Seals the record, fsynced; false if the disk fails. Never rejects. */
  seal: () => Promise<boolean>;
}

/** Returns the metadata of the issuer that the settings name; undefined: none were read yet. */
export function knownMetadata(
  { own }: CredentialSettings,
  { discovered }: Pick<CredentialRecord, "discovered">,
): IssuerMetadata | undefined {
  const { issuer } = own as { issuer?: string };
  if (issuer === undefined || !discovered) return undefined;
  return isSameUrl(discovered.metadata.issuer, issuer) ? discovered.metadata : undefined;
}

/** Returns metadata that name addresses at other origins than before, until a person trusts them. */
export function offeredMetadata(
  settings: CredentialSettings,
  record: Pick<CredentialRecord, "discovered">,
): IssuerMetadata | undefined {
  return knownMetadata(settings, record) && record.discovered?.offered;
}

/** True for a credential that has its addresses, or some of them, from its issuer's metadata. */
export function usesMetadata({ own, grant }: CredentialSettings): boolean {
  const { issuer, token_url } = own as { issuer?: string; token_url?: string };
  const isNeeded = token_url === undefined || grantNamed(grant).signsIn !== undefined;
  return issuer !== undefined && isNeeded;
}

/**
 * Reads the issuer's metadata if they are needed and not known, or `again`: then those that are known do
 * when they can't be read. Rejects with AuthdError: `credential_changed` if they name another origin.
 */
export async function ensureMetadata(
  deps: CredentialDeps,
  { settings, record, seal }: Keeper,
  again = false,
): Promise<void> {
  const { own } = settings;
  const { issuer } = own as { issuer?: string };
  if (issuer === undefined || !usesMetadata(settings)) return;
  const known = knownMetadata(settings, record);
  if (known && !again) return;
  const found = await readMetadata(deps, settings, issuer).catch((error) => {
    if (known) return undefined;
    throw error;
  });
  if (!found || JSON.stringify(found) === JSON.stringify(known)) return;
  const isForeign = known !== undefined && foreignIn(settings, known, found).length > 0;
  record.discovered = isForeign ? { metadata: known, offered: found } : { metadata: found };
  await seal();
  if (isForeign) throw movedIssuer(settings, known, found);
}

function foreignIn({ own }: CredentialSettings, known: IssuerMetadata, found: IssuerMetadata) {
  return foreignEndpoints(known, found, usesAliases(own));
}

/** Reads metadata without keeping them. */
export async function readMetadata(
  { http, clock, issuerClocks }: CredentialDeps,
  { name, allowInsecureHttp, ca }: CredentialSettings,
  issuer: string,
): Promise<IssuerMetadata> {
  const send = createIssuerSend({
    ...{ http, clock, clocks: issuerClocks, credential: name, allowInsecureHttp },
    ...omitUndefined({ ca }),
  });
  return await discover({ credential: name, send }, issuer);
}

/** Returns the error for an issuer that sends secrets to another origin than before. */
export function movedIssuer(
  settings: CredentialSettings,
  known: IssuerMetadata,
  found: IssuerMetadata,
): AuthdError {
  const { name: credential } = settings;
  const [first] = foreignIn(settings, known, found);
  return new AuthdError(
    "credential_changed",
    `${credential}: its issuer ${known.issuer} names another origin than before: ${first?.key} is ${first?.is}; look at it, then run: authd trust ${credential}`,
    { credential },
  );
}

/** Returns what `authd trust` would accept of the issuer's new metadata. */
export function metadataDifferences(
  settings: CredentialSettings,
  record: Pick<CredentialRecord, "discovered">,
): Difference[] {
  const known = knownMetadata(settings, record);
  const offered = offeredMetadata(settings, record);
  if (!known || !offered) return [];
  return foreignIn(settings, known, offered).map(({ key, was = null, is }) => ({ key, was, is }));
}

/** Accepts metadata that were offered. */
export function acceptMetadata(record: Pick<CredentialRecord, "discovered">): void {
  const { offered } = record.discovered ?? {};
  if (offered) record.discovered = { metadata: offered };
}

function isSameUrl(one: string, other: string): boolean {
  return URL.canParse(one) && new URL(one).href === new URL(other).href;
}
