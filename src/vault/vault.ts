/** The place that a vault's key comes from. */
export type KeySource = "keychain" | "passphrase" | "systemd-credential" | "file";

export interface WriteOptions {
  durable: boolean;
  replaceDamaged?: boolean;
  isChange?: boolean;
}

/**
 * Keeps sealed files, one a credential. `Content` is JSON; the vault does not interpret it.
 * Every method but `close` throws AuthdError `vault_locked` while the key is not available.
 */
export interface Vault<Content extends object> {
  readonly keySource: KeySource;
  /** Says why the key is not available, and what to do; undefined when the vault is open. */
  readonly locked: string | undefined;
  /** Returns the names that have a sealed file, also while locked. */
  names(): string[];
  /** True if a record of that name was sealed and not removed since, also if its file is gone. */
  knows(name: string): boolean;
  /** True if programs are kept from the record of that name, also if its file is gone. */
  isGuarded(name: string): boolean;
  /** Returns a name of which `isGuarded` is true, if there is one. */
  anyGuarded(): string | undefined;
  /**
   * Opens a record; undefined if there is none. Throws AuthdError `credential_damaged` if it can't be
   * opened, or is older than the last change that a person made.
   */
  read(name: string): Content | undefined;
  /**
   * Replaces the sealed file, whole or not at all; with `durable` it is on the disk when this resolves.
   * Writes of one name happen in the order of the calls. Refuses to overwrite a damaged file
   * unless `replaceDamaged`. With `isChange`, a person changes the credential: records from before are
   * refused from then on.
   */
  write(name: string, content: Content, options: WriteOptions): Promise<void>;
  /** Deletes the sealed file, durably; copies of it are refused from then on. */
  remove(name: string): Promise<void>;
  /**
   * Makes the vault's folder again, without the sealed files, if it was removed. Returns true if that
   * was done since the last call. Rejects with AuthdError
   * `internal` if another vault or daemon has taken the folder, or the disk fails.
   */
  ensure(): Promise<boolean>;
  /** Looks for the key again; true if the vault is open now. */
  unlock(): Promise<boolean>;
  /** Wipes the key that a lock left to seal the record of `name`, once its pending writes are done. */
  release(name: string): Promise<void>;
  /** Finishes pending writes, gives up the lock, wipes the key. */
  close(): Promise<void>;
}

/** The result of a rekey. */
export interface Rekeyed {
  /** Number of records. */
  sealed: number;
  /** Names of records that could not be opened with the old key: left as they were. */
  damaged: string[];
}

/** The full interface of a vault, which only the process that opened it has. */
export interface ManagedVault<Content extends object> extends Vault<Content> {
  /**
   * Seals everything with a new key from `to`; `passphrase` is for that source. Writes go on
   * meanwhile. Killed at any instant, the vault opens with the old key or with the new one, whole.
   */
  rekey(to: KeySource, passphrase?: string): Promise<Rekeyed>;
  /**
   * Opens the vault for a person; `passphrase` is for that source, and nobody is asked. Rejects with
   * AuthdError `vault_locked`, and leaves `locked` as it is.
   */
  open(passphrase?: string): Promise<void>;
  /** True for the passphrase of the vault; false until the vault was opened for the first time. */
  isPassphrase(given: string): Promise<boolean>;
  /**
   * Derives a key from the vault's for one purpose (HKDF, RFC 5869); `keyId` names the vault's.
   * Undefined while the vault is locked. The caller wipes it.
   */
  derive(purpose: string): { key: Buffer; keyId: string } | undefined;
  /** Resolves when every pending write is done, or has failed. */
  settled(): Promise<void>;
  /**
   * Finishes pending writes and wipes the key. From then on `locked` says `why`. For the names that
   * `sealing` returns at that moment, a key is kept that seals this one record: `write` goes on working
   * for them until `release`, or until the vault is opened.
   */
  lock(why: string, sealing?: () => readonly string[]): Promise<void>;
  /**
   * The write-ahead journal: work that must be done as a whole is sealed in it before it begins, so that
   * the next start completes it after a crash. `write` and `remove` are durable.
   */
  readonly journal: {
    read(): object | undefined;
    write(content: object): Promise<void>;
    remove(): Promise<void>;
  };
}
