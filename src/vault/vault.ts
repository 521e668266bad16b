/** Where a vault's key comes from. */
export type KeySource = "keychain" | "passphrase" | "systemd-credential" | "file";

export interface WriteOptions {
  durable: boolean;
  replaceDamaged?: boolean;
  isChange?: boolean;
}

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
  /** True if a record of that name was sealed and not removed since, also if its file is gone. */
  knows(name: string): boolean;
  /** True if programs are kept from the record of that name, also if its file is gone. */
  isGuarded(name: string): boolean;
  /** Any name of which `isGuarded` is true. */
  anyGuarded(): string | undefined;
  /**
   * Undefined if there is none; throws AuthdError `credential_damaged` if it can't be opened, or is older
   * than the last change that a person made.
   */
  read(name: string): Content | undefined;
  /**
   * Replaces the sealed file: temporary file, fsync, rename, and with `durable` fsync of the folder.
   * Writes of one name happen in the order of the calls. Refuses to overwrite a damaged file
   * unless `replaceDamaged`. With `isChange`, a person changes the credential: records from before are
   * refused from then on.
   */
  write(name: string, content: Content, options: WriteOptions): Promise<void>;
  /** Deletes the sealed file, durably; copies of it are refused from then on. */
  remove(name: string): Promise<void>;
  /**
   * Looks whether the vault's folder is still there, and makes it again, without the sealed files, if
   * it was removed. True if that had to be done since the last call. Rejects with AuthdError
   * `internal` if another vault or daemon has taken the folder, or the disk fails.
   */
  ensure(): Promise<boolean>;
  /** Looks for the key again; true if the vault is open now. */
  unlock(): Promise<boolean>;
  /** Wipes what a lock left to seal the record of `name`, once its pending writes are done. */
  release(name: string): Promise<void>;
  /** Finishes pending writes, gives up the lock, wipes the key. */
  close(): Promise<void>;
}

/** What a rekey came to. */
export interface Rekeyed {
  sealed: number;
  /** Could not be opened with the old key: left as they were. */
  damaged: string[];
}

/** The vault as the daemon has it, that opened it. */
export interface ManagedVault<Content extends object> extends Vault<Content> {
  /**
   * Seals everything with a new key from `to`; `passphrase` is for that source. Writes go on
   * meanwhile. Killed at any instant, the vault opens with the old key or with the new one, whole.
   */
  rekey(to: KeySource, passphrase?: string): Promise<Rekeyed>;
  /**
   * One try of a person to open it; `passphrase` is for that source, and nobody is asked. Resolves
   * when it is open. Rejects with AuthdError `vault_locked`, and `locked` still says what it said.
   */
  open(passphrase?: string): Promise<void>;
  /** True if it is the passphrase of the vault as it was opened; false before it was opened the first time. */
  isPassphrase(given: string): Promise<boolean>;
  /**
   * Another key, made from the vault's for one purpose (HKDF, RFC 5869), and the id of the one that it
   * is made from; undefined while the vault is locked. The caller wipes it.
   */
  derive(purpose: string): { key: Buffer; keyId: string } | undefined;
  /** Resolves when all that was to be written is, or has failed. */
  settled(): Promise<void>;
  /**
   * Finishes pending writes and wipes the key. From then on `locked` says `why`. For the names that
   * `sealing` gives at that moment a key is left that seals this one record: `write` goes on to work for
   * them, until `release` or until the vault is opened.
   */
  lock(why: string, sealing?: () => readonly string[]): Promise<void>;
  /**
   * One thing that is to be done as a whole, sealed before it is begun: whoever is killed in the
   * middle of it finds it here at the next start. `write` and `remove` are durable.
   */
  readonly intent: {
    read(): object | undefined;
    write(content: object): Promise<void>;
    remove(): Promise<void>;
  };
}
