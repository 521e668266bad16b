/** Changes that a person makes to a sealed record. */

import type { CredentialSettings } from "../config/settings.ts";
import { obtainsRotating, rotatingSecret } from "../grants/index.ts";
import type { Candidate, CredentialRecord, Registered } from "./record.ts";
import { clearRefusals } from "./refusals.ts";

/** The settings that secrets are bound to. */
export type Bound = Pick<CredentialRecord, "binding" | "written" | "boundValues">;

/** New secrets by name. */
export interface NewSecrets {
  secrets: Readonly<Record<string, string>>;
  /** Names of secrets that are removed. */
  dropped?: readonly string[];
  /** They replace all that there were, as if the credential were a new one. */
  replaceAll?: boolean;
  /** The client that authd registered for them. */
  registered?: Registered;
  /** The settings that they are bound to, unless it is the settings given beside them. */
  bound?: Bound;
}

export function boundTo({ binding, written, boundValues }: CredentialSettings) {
  return { binding, written, boundValues };
}

/** Binds the secrets of `record`, and those of a candidate that goes with the same file. */
export function bindAll(record: CredentialRecord, bound: Bound): void {
  bind(record, bound);
  const { candidate } = record;
  if (!candidate || candidate.file !== undefined) return;
  const own = { ...candidate.record };
  bind(own, bound);
  record.candidate = { ...candidate, replaces: bound.binding, record: own };
}

export function bind(record: Omit<CredentialRecord, "candidate">, bound: Bound): void {
  // With other settings they may be another issuer's, or stand for something else.
  if (record.binding !== bound.binding) delete record.kept;
  record.binding = bound.binding;
  if (bound.written) record.written = bound.written;
  else delete record.written;
  if (bound.boundValues) record.boundValues = bound.boundValues;
  else delete record.boundValues;
}

/** True if this replaces the rotating refresh token. */
export function replacesRotating(
  settings: CredentialSettings,
  { secrets, replaceAll }: NewSecrets,
): boolean {
  return replaceAll === true || Object.hasOwn(secrets, rotatingSecret(settings) ?? "");
}

/**
 * Returns the names of the secrets that end with those that a person replaces: a refresh token that an earlier
 * sign-in with them brought.
 */
export function endedSecrets(
  settings: CredentialSettings,
  { secrets, dropped = [] }: Pick<NewSecrets, "secrets" | "dropped">,
): string[] {
  const rotates = rotatingSecret(settings);
  const isChanged = Object.keys(secrets).length > 0 || dropped.length > 0;
  return isChanged && rotates !== undefined && obtainsRotating(settings) ? [rotates] : [];
}

/** Enters secrets into a record, and binds them to `settings`. */
export function enterSecrets(
  record: CredentialRecord,
  settings: CredentialSettings,
  entered: NewSecrets,
): void {
  const { secrets, dropped = [], replaceAll, bound = boundTo(settings) } = entered;
  record.secrets = replaceAll ? { ...secrets } : { ...record.secrets, ...secrets };
  const ended = replaceAll ? [] : endedSecrets(settings, entered);
  for (const name of [...dropped, ...ended]) delete record.secrets[name];
  if (isEntered(entered)) {
    bind(record, bound);
    delete record.candidate;
    delete record.kept;
    clearRefusals(record);
    // Other secrets may be those of somebody else.
    delete record.identity;
  } else bindAll(record, bound);
  if (replacesRotating(settings, entered) || ended.length > 0) delete record.rotation;
  if (!replaceAll) return;
  delete record.session;
  delete record.discovered;
  delete record.registration;
  delete record.refreshCount;
  delete record.lastRefreshAt;
  Object.assign(record, entered.registered);
}

/** False if nothing but the settings is replaced. */
export function isEntered({ secrets, dropped = [], replaceAll }: NewSecrets): boolean {
  return replaceAll === true || Object.keys(secrets).length > 0 || dropped.length > 0;
}

/**
 * Puts a candidate into a record; undefined: removes it. The earlier candidate's trial may have received a
 * new refresh token meanwhile: a candidate that continues the same rotation takes it over.
 */
export function setCandidate(
  record: CredentialRecord,
  next: Candidate | undefined,
  rotates = "",
): void {
  const before = record.candidate;
  if (!next) {
    delete record.candidate;
    return;
  }
  const { rotation, secrets } = next.record;
  const token = before?.record.secrets[rotates];
  const isSameRotation = rotation !== undefined && before?.record.rotation === rotation;
  if (isSameRotation && token !== undefined) next.record.secrets = { ...secrets, [rotates]: token };
  record.candidate = next;
}

/** Replaces everything in `record` but its token files and its place in a store. It stays the same object: requests in flight hold it. */
export function replaceRecord(record: CredentialRecord, next: CredentialRecord): void {
  const { tokenFiles, shared } = record;
  for (const key of Object.keys(record)) delete record[key as keyof CredentialRecord];
  Object.assign(record, next, tokenFiles && { tokenFiles }, shared && { shared });
}
