/** The interface of a store that several daemons share. It keeps sealed records, and can open none of them. */

/** Who may change a record for now. */
export interface Lease {
  /** The host, and which of its folders; see holder.ts. */
  readonly holder: string;
  /** On the store's clock, ms. */
  readonly untilMs: number;
}

/** A refresh token is about to be spent, or was: nobody else sends it while this is open. */
interface Intent {
  /** Who opened it; as of a lease. */
  readonly holder: string;
  /** Epoch of the lease under which it was opened. */
  readonly epoch: number;
  /** Digest of the refresh token, which tells nothing of it without the key of the records. */
  readonly hash: string;
  /** When the first of those that are open, one after another, was opened: on the store's clock, ms. */
  readonly openedMs: number;
  /** When the request that it is for has ended for certain, on the store's clock, ms. */
  readonly deadlineMs: number;
}

/** A record as it is in the store. */
export interface StoreEntry {
  readonly name: string;
  /** Grows by one with each lease: a host of an earlier lease can change nothing. */
  readonly epoch: number;
  /** Grows by one with each commit; 0: nothing was committed yet. */
  readonly version: number;
  /** Undefined: the record was removed, or nothing was committed yet. */
  readonly payload: Buffer | undefined;
  readonly lease: Lease | undefined;
  readonly intent: Intent | undefined;
  /** Name of the host that committed last. */
  readonly committedBy: string | undefined;
  /** When it did, on the store's clock (ms); undefined also where an earlier authd did. */
  readonly committedMs: number | undefined;
}

/** An answer of the store, with its clock at that moment (ms). */
export type Timed<Answer> = Answer & {
  readonly nowMs: number;
  /** Names what the store has been through: another one once a standby took its server's place, if it can tell. */
  readonly timeline?: string | undefined;
  /**
   * Names the recovery that is under way, as the store was put back to an earlier moment and may lack what hosts have;
   * undefined: there is none.
   */
  readonly setBack?: string | undefined;
};

/** The outcome of a change: `done` tells whether it was made, `entry` is how the record is after it. */
export interface Outcome {
  readonly done: boolean;
  readonly entry: StoreEntry | undefined;
}

export interface Acquire {
  /** As of a lease. */
  holder: string;
  /** The epoch that the record is known to have; 0 if there is none. */
  epoch: number;
  ttlMs: number;
}

export interface Intend {
  epoch: number;
  hash: string;
  /** Time (ms) until the request has ended for certain. The lease is made to last as long. */
  ttlMs: number;
}

export interface Commit {
  /** Id of the keys of which one seals the payload: a commit with an earlier one is refused. */
  keyId: string | undefined;
  epoch: number;
  version: number;
  /** Undefined removes the record; its epoch and version go on. */
  payload: Buffer | undefined;
  holder: string;
  /** The payload has what came of an open intent, or another refresh token: the intent is closed. */
  settles: boolean;
}

/** A record that the store had, and lost as it was put back to an earlier moment. */
export interface Restoration {
  /** Id of the keys of which one seals the payload. */
  keyId: string | undefined;
  /** The version that it had: an earlier one gives way to it. */
  version: number;
  /** The epoch that is known of; the record's is greater from then on. */
  epoch: number;
  payload: Buffer;
  holder: string;
  /** As of a commit; but an open intent to spend the token with the digest `hash` stays in any case. */
  settles: boolean;
  /** Digest of the refresh token in the payload; undefined: it has none. */
  hash: string | undefined;
  /** The host's own, which is open: it takes the place of what the record has. `ttlMs` is counted from now. */
  intent?: (Pick<Intend, "hash" | "ttlMs"> & { holder: string }) | undefined;
}

/** What changed since a number that an earlier answer told. */
export interface Changes {
  /** The number to ask with next. */
  readonly change: number;
  /** In no order; each as it is now. */
  readonly entries: readonly StoreEntry[];
}

/** A host that shares the records. */
export interface Host {
  readonly name: string;
  /** Its X25519 key, 32 bytes. */
  readonly publicKey: Buffer;
  /** The keys of its groups, wrapped for this host (see wrapped-keys.ts). */
  readonly wrappedKey: Buffer;
  /** When it last told that it runs, on the store's clock (ms); not while a recovery is under way. */
  readonly seenMs: number;
  /** The last recovery in which it has put back what it had. */
  readonly told?: string | undefined;
}

/** A host as it is put into a store. */
export type NewHost = Omit<Host, "seenMs" | "told">;

/** What the store calls its keys before a change, and after it. */
export interface KeyChange {
  /** Undefined: nobody shares the records yet. */
  from: string | undefined;
  to: string | undefined;
}

/** Everything that has a store's key, sealed with another one. */
export interface Replacement {
  holder: string;
  /** Id of the keys until now; undefined if nobody shares the records yet. */
  from: string | undefined;
  /** Id of the new keys; undefined if nobody is to share the records any more. */
  to: string | undefined;
  /** All hosts. Invitations end. */
  hosts: readonly NewHost[];
  /**
   * The content of the records is what it was, under other keys: their versions stay, and commits go on from them. A
   * lease that none of `hosts` has for now ends, and its epoch with it.
   */
  keepsVersions?: boolean;
  /** Nothing is replaced while one that is none of `hosts` may spend a refresh token, by an intent that has not ended. */
  unlessSpending?: boolean;
  /** All records that are not removed, with the versions that they had. Intents stay with `keepsVersions`, and end without. */
  records: readonly { name: string; version: number; payload: Buffer | undefined }[];
}

/**
 * A store of sealed records. Every change is a compare-and-set; times are those of the store's own clock.
 * Methods reject with AuthdError, such as `too_busy`, while the store can't be reached, with StoreRefusal where it refuses this host.
 */
export interface Store {
  read(name: string): Promise<Timed<{ entry: StoreEntry | undefined }>>;
  /**
   * Returns all records that were committed after `change`; after -1 all that there are. A number that is
   * ahead of the store's counts as -1: the store was put back to an earlier moment.
   */
  changesSince(change: number): Promise<Timed<Changes>>;
  /**
   * Takes the lease and adds one to the epoch, if the epoch is the one given and no other host has a lease
   * that still runs; nobody during a recovery. An open intent is left as it is: the caller reads it, and decides.
   */
  acquire(name: string, lease: Acquire): Promise<Timed<Outcome>>;
  /** Makes a lease last `ttlMs` from now, if its epoch is still the record's. */
  renew(name: string, epoch: number, ttlMs: number): Promise<Timed<Outcome>>;
  /**
   * Opens an intent for the holder of the lease with this epoch, but not during a recovery. It takes the place of an open
   * one, and is as old as that: the issuer may have had the token since then.
   */
  intend(name: string, intent: Intend): Promise<Timed<Outcome>>;
  /** Replaces the payload and ends the lease, if epoch and version are those given; with `settles` closes the intent. */
  commit(name: string, commit: Commit): Promise<Timed<Outcome>>;
  /**
   * Puts a record in the place of an earlier version, or of none; with an intent also of the same version without one.
   * Its lease ends. The intent counts as opened long ago.
   */
  restore(name: string, restoration: Restoration): Promise<Timed<Outcome>>;
  /** Ends a lease; with `settled` closes the intent as well. */
  release(name: string, epoch: number, settled: boolean): Promise<Timed<Outcome>>;
  /**
   * Calls `onChange` soon after a record was committed or its lease ended, where the store tells; with
   * undefined if notices may have been lost. Returns a function that ends this.
   */
  watch(onChange: (name: string | undefined) => void): () => void;
  /** Returns the hosts that share the records, in the order of their names, and the id of their keys with them. */
  hosts(): Promise<Timed<{ hosts: readonly Host[]; keyId: string | undefined }>>;
  /** Adds a host, or replaces its keys, if the id of the keys is `from`; else changes nothing and returns false. */
  putHost(host: NewHost, ids: KeyChange): Promise<boolean>;
  /** Notes that a host runs; not during a recovery. */
  seen(name: string): Promise<void>;
  /** Notes that in a recovery the store has all that a host had. */
  tell(name: string, recovery: string): Promise<void>;
  /** Begins a recovery, as a host knows that the store lacks something; `mark` is no other's. */
  markSetBack(mark: string): Promise<void>;
  /** Ends a recovery, if it is the one that is under way. */
  settle(recovery: string): Promise<void>;
  /** Keeps a wrapped key for one host that is invited, for `ttlMs`. */
  invite(id: string, wrappedKey: Buffer, ttlMs: number): Promise<void>;
  /** Takes it away; undefined if it was taken before, or has ended. */
  takeInvite(id: string): Promise<Buffer | undefined>;
  /** Seals everything with another key: all of it or, if anything is not as it was read, nothing; then false. */
  replaceAll(replacement: Replacement): Promise<boolean>;
  close(): Promise<void>;
}
