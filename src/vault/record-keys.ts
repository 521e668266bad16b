import { recordKey } from "./derived-key.ts";
import type { OpenKey } from "./vault-key.ts";

/** A key that seals the record of one credential, and opens no other. */
export interface RecordKey {
  key: Buffer;
  /** Names the vault's key that it is made from. */
  keyId: string;
}

/** Keeps keys of single records while the vault is locked, to seal the tokens that their issuers still send. */
export class RecordKeys {
  readonly #keys = new Map<string, RecordKey>();

  get(name: string): RecordKey | undefined {
    return this.#keys.get(name);
  }

  /** Makes a key for each name, before the vault's key is wiped. */
  keep(names: readonly string[], { key, header }: OpenKey): void {
    for (const name of names) {
      this.#keys.set(name, { key: recordKey(key, name), keyId: header.keyId });
    }
  }

  /** Wipes `own`, unless another key has taken its place. */
  wipe(name: string, own: RecordKey | undefined): void {
    if (!own || this.#keys.get(name) !== own) return;
    own.key.fill(0);
    this.#keys.delete(name);
  }

  wipeAll(): void {
    for (const { key } of this.#keys.values()) key.fill(0);
    this.#keys.clear();
  }
}
