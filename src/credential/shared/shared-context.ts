import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Timekeeper } from "../../base/timekeeper.ts";
import { holderOf } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { groupMistake } from "./group-mistake.ts";
import { Notices } from "./notices.ts";
import type { SharedOwner } from "./shared-owner.ts";
import { type OpenedStore, StoreConnection } from "./store-connection.ts";

export interface SharedRecordsOptions {
  /** Name of this host. */
  host: string;
  /** Id of its vault's folder: with other folders it is another holder of leases. */
  instance: string;
  /** The groups that this host may serve, of those that it was let into; undefined: all of them. */
  groups?: readonly string[] | undefined;
  /** Opens the store. Rejects while it can't be reached, or this host is none of its members. */
  open: () => Promise<OpenedStore>;
  clock: Clock;
  time: Timekeeper;
  log: Log;
  /** What this host last knew of the store, which it keeps over its restarts. */
  timeline: { known(): KnownStore | undefined; note(known: KnownStore): void };
}

/** How far a host has seen a store. */
export interface KnownStore {
  /** What its server has been through, if it can tell. */
  timeline: string | undefined;
  /** Number of the last commit. */
  change: number;
}

/** What the parts of the shared records have in common. */
export class SharedContext {
  readonly options: SharedRecordsOptions;
  readonly connection: StoreConnection;
  readonly notices: Notices;
  /** Names of records with something that the store has not got. */
  readonly pending = new Set<string>();
  /** Names of records that the store has, and of which this host has secrets of its own (see alone.ts). */
  readonly clashes = new Set<string>();
  /**
   * True while the store may lack what hosts have, as it was put back to an earlier moment: nobody refreshes then but
   * what needs no lease.
   */
  isSetBack = false;
  owner: SharedOwner | undefined;

  constructor(options: SharedRecordsOptions) {
    this.options = options;
    const { open, time, groups } = options;
    this.connection = new StoreConnection(open, time, (keys) => groupMistake(groups, keys));
    this.notices = new Notices(options.clock);
  }

  get host(): string {
    return this.options.host;
  }

  /** Whose leases and intents are this host's. */
  get holder(): string {
    return holderOf(this.host, this.options.instance);
  }

  liveRecord(name: string): CredentialRecord | undefined {
    return this.owner?.find(name)?.live;
  }
}
