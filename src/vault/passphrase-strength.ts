import { AuthdError } from "../errors.ts";

const MIN_CHARACTERS = 8;
const MIN_DISTINCT = 4;
const TOO_SHORT = `it needs ${MIN_CHARACTERS} characters at least; four words of a book's page are good`;
const TOO_PLAIN = "it repeats the same few characters; four words of a book's page are good";

/** Returns why a new passphrase would be guessed in no time; undefined if it may do. */
export function weaknessOf(passphrase: string): string | undefined {
  const characters = [...passphrase];
  if (characters.length < MIN_CHARACTERS) return TOO_SHORT;
  return new Set(characters).size < MIN_DISTINCT ? TOO_PLAIN : undefined;
}

/** Throws AuthdError for a new passphrase that is too weak. */
export function assertStrong(
  passphrase: string,
  reason: "invalid_params" | "vault_locked" = "invalid_params",
): void {
  const weakness = weaknessOf(passphrase);
  if (weakness !== undefined) {
    throw new AuthdError(reason, `The passphrase is refused: ${weakness}`);
  }
}
