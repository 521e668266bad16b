/** Secrets and settings that a person enters. For a credential that works they are tried beside those in force. */
import { omitUndefined } from "../base/omit-undefined.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Credential } from "../credential/credential.ts";
import type { Candidate, CredentialRecord, Refused, Registered } from "../credential/record.ts";
import { boundTo } from "../credential/record-changes.ts";
import { isSpent } from "../credential/rotation.ts";
import { requestHelp } from "../credential/troubles.ts";
import { AuthdError } from "../errors.ts";
import { obtainsRotating } from "../grants/index.ts";

/** Input that was applied, and is tried now. */
export interface AppliedInput {
  credential: Credential;
  /** `credential` itself if the input is in force, otherwise its trial. */
  subject: Credential;
  /** Makes all as it was before the input. */
  undo: () => Promise<void>;
}

export interface CredentialInput {
  settings: CredentialSettings;
  /** All secrets, also those that were not entered now. */
  secrets: Record<string, string>;
  /** Text of the credential file; undefined: the file stays. */
  file: string | undefined;
  /** Wall clock, ms. */
  now: number;
  refused?: Refused | undefined;
  /** Record whose other state goes on with the new secrets. */
  carried?: Readonly<CredentialRecord>;
}

/** Input for a new credential, or one that is replaced. */
export interface NewCredentialInput extends CredentialInput {
  file: string;
  registered?: Registered | undefined;
}

/** Returns the input of a credential where it is in force already. */
export function inForce(credential: Credential): AppliedInput {
  return { credential, subject: credential, undo: async () => {} };
}

/** Builds the candidate that is sealed beside what is in force. */
export function candidateFor(
  { record: { binding }, rotates }: Credential,
  { settings, secrets, file, now, refused, carried }: CredentialInput,
): Candidate {
  const isSameToken = rotates !== undefined && carried?.secrets[rotates] === secrets[rotates];
  return {
    enteredAt: now,
    ...omitUndefined({ file }),
    replaces: binding,
    record: {
      secrets,
      ...boundTo(settings),
      tokens: [],
      ...(refused && { refused }),
      ...(carried?.refreshCount && { refreshCount: carried.refreshCount }),
      ...(carried?.rotation && isSameToken && { rotation: carried.rotation }),
    },
  };
}

/**
 * True if the secrets hold the rotating refresh token that is in force. It can be spent once, so it is
 * not tried beside the credential.
 */
export function sharesRefreshToken(
  { rotates, record, settings }: Credential,
  secrets: Readonly<Record<string, string>>,
): boolean {
  if (rotates === undefined) return false;
  const token = secrets[rotates];
  if (token === undefined && obtainsRotating(settings)) return false;
  return token === record.secrets[rotates];
}

/**
 * Throws AuthdError `invalid_params` for a refresh token that authd has spent, if its successor works:
 * an issuer that sees a spent token again may end the session.
 */
export function assertUnspent(
  { name, rotates, record: { rotation, secrets: held }, works }: Credential,
  secrets: Readonly<Record<string, string>>,
): void {
  const entered = rotates === undefined ? undefined : secrets[rotates];
  if (!works || rotation === undefined || entered === undefined) return;
  if (entered === held[rotates ?? ""] || !isSpent(rotation, entered)) return;
  throw new AuthdError(
    "invalid_params",
    `${name}: this ${rotates} has been used up, and authd holds the one that the issuer gave for it. Nothing was changed; to sign in anew, get another one from the issuer`,
    { credential: name },
  );
}

/** True until other secrets are entered, or the credential is removed. */
export function isCurrent({ credential, subject }: AppliedInput): boolean {
  return credential === subject || credential.trial === subject;
}

/** Returns the error for a candidate that the issuer refused. */
export function keptBeside(name: string, { reason, message, oauth }: AuthdError): AuthdError {
  return new AuthdError(
    reason,
    `${name}: what was entered is refused, so what was there before stays in use. The new is kept beside it: authd refresh ${name} tries it again, authd set ${name} --force puts it in force all the same, authd set ${name} --discard drops it. ${message}`,
    { credential: name, ...(oauth && { oauth }) },
  );
}

/** Returns the error for input that the issuer refused without an OAuth error: it is tried twice more. */
export function refusedAtFirst(
  { credential, subject }: AppliedInput,
  error: AuthdError,
): AuthdError {
  const { name } = credential;
  const { contact, message, oauth, endpoint } = error;
  const at = endpoint === undefined ? "" : ` at ${endpoint}`;
  const isBeside = subject !== credential;
  const kept = isBeside
    ? "It is kept beside what was there before, which stays in use, and tried again"
    : "It is kept and tried again";
  const drop = isBeside ? `; authd set ${name} --discard drops it` : "";
  return new AuthdError(
    "credential_rejected",
    `${name}: the issuer refused what was entered${at} (${contact?.refusal ?? message}). ${kept}, until the third refusal in a row; if it is wrong, enter it anew: authd set ${name}${drop}`,
    { credential: name, ...(oauth && { oauth }) },
  );
}

/** The first try got no token, and the next will hardly get one. */
export function keptWithoutToken(
  { credential, subject }: AppliedInput,
  error: AuthdError,
): AuthdError {
  const { name } = credential;
  const { message, contact, retryAfterMs } = error;
  const isBeside = subject !== credential;
  const kept = isBeside
    ? `What was entered is kept beside what was there before, which stays in use; authd set ${name} --discard drops it`
    : "What was entered is kept";
  const help = requestHelp(subject.settings, contact?.blocked === true);
  return new AuthdError("issuer_unavailable", `${message} ${kept}. Next: ${help}`, {
    credential: name,
    ...omitUndefined({ contact, retryAfterMs }),
  });
}

export function waitsWithSettings(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: settings that were entered with new secrets wait to be tried: authd refresh ${name} tries them, authd set ${name} --force puts them in force, authd set ${name} --discard drops them`,
    { credential: name },
  );
}
