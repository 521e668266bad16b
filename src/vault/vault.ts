/** Where a vault's key comes from. */
export type KeySource = "keychain" | "passphrase" | "systemd-credential" | "file";

/**
 * Sealed files, one a credential. `Content` is JSON; the vault does not look into it.
 * Every method but `close` throws AuthdError `vault_locked` while the key can't be had.
 */
export interface Vault<Content extends object> {
  readonly keySource: KeySource;
  /** Why the key can't be had, and what to do; undefined when the vault is open. */
  readonly locked: string | undefined;
  /** Names that have a sealed file, also while locked. */
  names(): string[];
  /** Undefined if there is none; throws AuthdError `credential_damaged` if it can't be opened. */
  read(name: string): Content | undefined;
  /**
   * Replaces the sealed file: temporary file, fsync, rename, and with `durable` fsync of the folder.
   * Writes of one name happen in the order of the calls. Refuses to overwrite a damaged file
   * unless `replaceDamaged`.
   */
  write(
    name: string,
    content: Content,
    options: { durable: boolean; replaceDamaged?: boolean },
  ): Promise<void>;
  /** Deletes the sealed file, durably. */
  remove(name: string): Promise<void>;
  /** Looks for the key again; true if the vault is open now. */
  unlock(): Promise<boolean>;
  /** Finishes pending writes, gives up the lock, wipes the key. */
  close(): Promise<void>;
}
