/** Messages about a vault that is locked, or can't be. */
import { AuthdError } from "../errors.ts";
import type { Unsaved } from "../protocol.ts";
import type { KeySource } from "../vault/vault.ts";

/** Reasons for a lock, in words that follow "The vault was locked". */
export const LOCK_REASONS = {
  asked: "with authd lock",
  idle: "because nothing was asked of it for a while (lock_after)",
  suspend: "because the machine went to sleep (lock_on)",
  screen: "because the screen was locked (lock_on)",
} as const;

/** Key sources that a program can read at any time, and where their keys are. */
const READABLE_KEYS: Readonly<Partial<Record<KeySource, string>>> = {
  file: "in a file beside it, for whoever can read the vault",
  "systemd-credential": "in a file that systemd keeps for the service while it runs",
};

/** Returns why locking would protect nothing; undefined if it protects the vault. */
export function whyNotLockable(source: KeySource): string | undefined {
  const where = READABLE_KEYS[source];
  return where === undefined
    ? undefined
    : `The vault can't be locked: its key is ${where}. Give it one that can go away: authd vault rekey --to passphrase`;
}

/** Throws AuthdError `internal` if a secret could not be written. Tokens can be obtained again. */
export function assertSealed(unsaved: ReadonlyMap<string, Unsaved>): void {
  for (const { atRisk, message } of unsaved.values()) {
    if (atRisk !== "secrets") continue;
    throw new AuthdError(
      "internal",
      `The vault is not locked, as a secret would be lost. ${message}`,
    );
  }
}

export function stillSealing(credential: string): string {
  return `${credential}: its issuer has not answered with a new refresh token yet. The vault is locked, but for this one record: it is sealed when the answer is there, and wiped then`;
}

export function passphraseNeeded(): AuthdError {
  return new AuthdError(
    "invalid_params",
    "The vault is sealed with a passphrase: run authd unlock, which asks for it.",
  );
}
