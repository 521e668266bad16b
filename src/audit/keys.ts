import { createHmac } from "node:crypto";
import { type HeadKey, PURPOSE } from "./head.ts";

export type Derive = (purpose: string) => HeadKey | undefined;

const TOKEN_PURPOSE = "authd audit token";
/** Hexadecimal digits of a token's fingerprint. */
const FINGERPRINT_DIGITS = 12;

/**
 * The keys of the audit log, made from the vault's key once that is there. They are kept while the vault
 * is locked: lines are still written then, and nothing that is sealed can be opened with them.
 */
export class AuditKeys {
  readonly #derive: Derive;
  #head: HeadKey | undefined;
  #token: HeadKey | undefined;

  constructor(derive: Derive) {
    this.#derive = derive;
  }

  /** Signs how far the log goes; undefined until the vault was open once. */
  get head(): HeadKey | undefined {
    this.#head ??= this.#derive(PURPOSE);
    return this.#head;
  }

  /**
   * Tells tokens apart that are in the log, and gives none away: a hash without a key could be compared
   * with the hashes of short tokens. Another key of the vault gives another fingerprint.
   */
  fingerprint(token: string): string | undefined {
    this.#token ??= this.#derive(TOKEN_PURPOSE);
    if (!this.#token) return undefined;
    return createHmac("sha256", this.#token.key)
      .update(token)
      .digest("hex")
      .slice(0, FINGERPRINT_DIGITS);
  }

  /** The vault may have another key: makes new ones from it. */
  renew(): void {
    const [head, token] = [this.#derive(PURPOSE), this.#derive(TOKEN_PURPOSE)];
    if (!head || !token) return;
    this.wipe();
    this.#head = head;
    this.#token = token;
  }

  wipe(): void {
    for (const made of [this.#head, this.#token]) made?.key.fill(0);
    this.#head = undefined;
    this.#token = undefined;
  }
}
