import { AuthdError } from "../errors.ts";
import type { VaultHeader } from "./header.ts";
import { locked } from "./keys/key-source.ts";
import type { KeySource } from "./vault.ts";
import type { OpenKey } from "./vault-key.ts";

/** Holds the vault's key while the vault is open, and says why there is none while it is not. */
export class KeyHolder {
  #keySource: KeySource;
  #open: OpenKey | undefined;
  #header: VaultHeader | undefined;
  #problem: string | undefined = "The vault's key has not been looked for yet";
  #isClosed = false;

  /** `expected` is the key source to name until one is known. */
  constructor(expected: KeySource) {
    this.#keySource = expected;
  }

  get keySource(): KeySource {
    return this.#keySource;
  }

  /** The key; undefined while the vault is locked. */
  get open(): OpenKey | undefined {
    return this.#open;
  }

  /**
   * The header that the last key opened, also while the vault is locked: with it a vault.json that was
   * replaced meanwhile opens nothing.
   */
  get header(): VaultHeader | undefined {
    return this.#header;
  }

  /** Says why there is no key; undefined while there is one. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** True once the vault ends: it takes no key any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Returns the key. Throws AuthdError `shutting_down` or `vault_locked`. */
  usable(): OpenKey {
    if (this.#isClosed)
      throw new AuthdError("shutting_down", "The vault is closed: authd is stopping");
    if (!this.#open) throw locked(this.#problem ?? "The vault is locked");
    return this.#open;
  }

  /** Keeps the key, and returns true. One that comes after the end, or second, is wiped. */
  take(open: OpenKey): boolean {
    if (this.#isClosed || this.#open) {
      open.key.fill(0);
      return false;
    }
    this.#set(open);
    this.#problem = undefined;
    return true;
  }

  /** Puts `next` in the place of the key that there is, and wipes that one. */
  exchange(next: OpenKey): void {
    const before = this.#open;
    this.#set(next);
    before?.key.fill(0);
  }

  /** Notes why no key was found. */
  fail(problem: string): void {
    this.#problem = problem;
  }

  /** Wipes the key, and notes why there is none. */
  lock(problem: string): void {
    this.wipe();
    this.#problem = problem;
  }

  /** Takes no key from now on; the one that there is goes on sealing until `wipe`. */
  close(): void {
    this.#isClosed = true;
  }

  wipe(): void {
    this.#open?.key.fill(0);
    this.#open = undefined;
  }

  #set(open: OpenKey): void {
    this.#open = open;
    this.#header = open.header;
    this.#keySource = open.header.keySource;
  }
}
