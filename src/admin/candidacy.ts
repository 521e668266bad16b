/** What a person enters for a credential that works: tried beside what is in force, which stays until then. */

import type { CredentialSettings } from "../config/settings.ts";
import type { Credential } from "../credential/credential.ts";
import type { Candidate, CredentialRecord, Refused } from "../credential/record.ts";
import { boundTo } from "../credential/record-changes.ts";
import { isSpent } from "../credential/rotation.ts";
import { AuthdError } from "../errors.ts";

/** What was added or changed, and is tried now. */
export interface Entry {
  credential: Credential;
  /** `credential` itself, or its trial. */
  subject: Credential;
  /** Makes it as if nothing had been entered. */
  undo: () => Promise<void>;
}

export interface Entered {
  settings: CredentialSettings;
  /** All of them. */
  secrets: Record<string, string>;
  /** Text of the file that comes with them. */
  file: string | undefined;
  /** Wall clock, ms. */
  now: number;
  refused?: Refused | undefined;
  /** The record that goes on but for some of its secrets. */
  carried?: Readonly<CredentialRecord>;
}

export interface EnteredWhole extends Entered {
  file: string;
}

/** What was entered is in force already. */
export function inForce(credential: Credential): Entry {
  return { credential, subject: credential, undo: async () => {} };
}

export function candidateFor(
  { record: { binding }, rotates }: Credential,
  { settings, secrets, file, now, refused, carried }: Entered,
): Candidate {
  const isSameToken = rotates !== undefined && carried?.secrets[rotates] === secrets[rotates];
  return {
    enteredAt: now,
    ...(file === undefined ? {} : { file }),
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
 * True if a refresh token that rotates would be spent by what is in force and by the candidate: it can
 * be spent by one of them only.
 */
export function sharesRefreshToken(
  { rotates, record }: Credential,
  secrets: Readonly<Record<string, string>>,
): boolean {
  return rotates !== undefined && secrets[rotates] === record.secrets[rotates];
}

/**
 * Throws AuthdError `invalid_params` for a refresh token that authd has spent while its successor works:
 * an issuer that sees a spent one again may end the sign-in.
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

/** True until other secrets were entered, or the credential removed. */
export function isCurrent({ credential, subject }: Entry): boolean {
  return credential === subject || credential.trial === subject;
}

/** The issuer refused the candidate. */
export function keptBeside(name: string, { reason, message, oauth }: AuthdError): AuthdError {
  return new AuthdError(
    reason,
    `${name}: what was entered is refused, so what was there before stays in use. The new is kept beside it: authd refresh ${name} tries it again, authd set ${name} --force puts it in force all the same, authd set ${name} --discard drops it. ${message}`,
    { credential: name, ...(oauth && { oauth }) },
  );
}

/** The issuer refused what was entered, and not in OAuth's words: it is tried twice more. */
export function refusedAtFirst({ credential, subject }: Entry, error: AuthdError): AuthdError {
  const { name } = credential;
  const { contact, message, oauth } = error;
  const isBeside = subject !== credential;
  const kept = isBeside
    ? "It is kept beside what was there before, which stays in use, and tried again"
    : "It is kept and tried again";
  const drop = isBeside ? `; authd set ${name} --discard drops it` : "";
  return new AuthdError(
    "credential_rejected",
    `${name}: the issuer refused what was entered (${contact?.refusal ?? message}). ${kept}, until the third refusal in a row; if it is wrong, enter it anew: authd set ${name}${drop}`,
    { credential: name, ...(oauth && { oauth }) },
  );
}

export function waitsWithSettings(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${name}: settings that were entered with new secrets wait to be tried: authd refresh ${name} tries them, authd set ${name} --force puts them in force, authd set ${name} --discard drops them`,
    { credential: name },
  );
}

// ---- accounts that are made first (add --register) ----

/** Sealed before the account is asked for: whatever happens then, nothing signs in unasked. */
export function registering(settings: CredentialSettings, now: number): Refused {
  const { name, writtenRequest } = settings;
  const message = `${name}: its account was asked for, and no answer came that tells whether it was made. ${howOn(name)}`;
  return { reason: "login_required", message, at: now, writtenRequest };
}

/** Neither the registration nor the sign-in told whether there is such an account. */
export function registeredPerhaps(
  settings: CredentialSettings,
  now: number,
  [registration, signIn]: readonly [AuthdError, AuthdError],
): Refused {
  const { name, writtenRequest } = settings;
  const asked = saidOf(registration);
  const message = `${name}: asking for its account: ${asked}; then signing in: ${saidOf(signIn)}. ${howOn(name)}`;
  return { reason: "login_required", message, at: now, writtenRequest };
}

/** The words of an error that tell what happened, without whom it happened to and what to do about it. */
function saidOf({ message }: AuthdError): string {
  const said = message.replace(/^("[^"]*" got no token|[^ ]*): /, "");
  const advice = said.search(/[.;] (Check its|Put the|Next try|authd )/);
  return (advice < 0 ? said : said.slice(0, advice)).replace(/\.$/, "");
}

function howOn(name: string): string {
  return `authd refresh ${name} tries to sign in; authd add ${name} --register --replace asks for the account again, with the same password`;
}

/** The account was not made. `isAgain`: it was asked for before, so that its name may be taken by itself. */
export function isNotRegistered(error: unknown, isAgain: boolean): boolean {
  if (!(error instanceof AuthdError) || !error.contact) return false;
  const { sent, answered } = error.contact;
  return !sent || (!isAgain && answered && error.reason === "request_failed");
}

/** The password that was made for this very account, if nobody has signed in with it yet. */
export function passwordMade(
  known: Credential | undefined,
  settings: CredentialSettings,
): string | undefined {
  if (!known?.isReadable || !settings.register) return undefined;
  const same = [known.trial, known].find(
    (one) =>
      one?.isReadable &&
      one.settings.writtenRequest === settings.writtenRequest &&
      one.record.refreshCount === undefined,
  );
  return same?.record.secrets[settings.register.generates];
}
