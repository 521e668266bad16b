/** A host that shares many credentials, without what a daemon does beside that: its records are in memory. */
import { Timekeeper } from "../../src/base/timekeeper.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { SharedRecords } from "../../src/credential/shared/shared-records.ts";
import { SharedSync } from "../../src/credential/shared/shared-sync.ts";
import { fleetKeyOf } from "../../src/vault/store/fleet-key.ts";
import { DEFAULT_GROUP, type Store } from "../../src/vault/store/index.ts";
import type { FakeClock } from "../../test/helpers/fake-clock.ts";

const quiet = () => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet };

export interface SimulatedHostOptions {
  name: string;
  clock: FakeClock;
  key: Buffer;
  store: Store;
  /** The record of each credential as it was put into the store. */
  first: (name: string) => CredentialRecord;
  names: readonly string[];
}

export class SimulatedHost {
  readonly sync: SharedSync;
  readonly #records: SharedRecords;
  readonly #live = new Map<string, CredentialRecord>();
  readonly #first: SimulatedHostOptions["first"];

  constructor({ name, clock, key, store, first, names }: SimulatedHostOptions) {
    this.#first = first;
    const time = new Timekeeper(clock, () => {});
    const open = async () => {
      const own = fleetKeyOf(Buffer.from(key));
      const groups = [{ group: DEFAULT_GROUP, id: own.id }];
      const keys = { keyId: own.id, own: new Map([[DEFAULT_GROUP, own]]), groups };
      return { store, keys, addGroup: async () => false };
    };
    const timeline = { known: () => undefined, note: () => {} };
    this.#records = new SharedRecords({
      host: name,
      instance: "folder",
      open,
      clock,
      time,
      log: LOG,
      timeline,
    });
    this.sync = new SharedSync(this.#records, clock, LOG);
    this.#records.connect({
      find: (known) => this.#credential(known),
      names: () => names,
      fileOf: () => undefined,
      add: async () => {},
      remove: async () => {},
      isLocked: false,
    });
  }

  /** Spends the refresh token, as an answer brings another one. */
  async refresh(name: string): Promise<void> {
    const live = this.#liveOf(name);
    const refresh = { name, isRotating: true, reuseGraceMs: 0, isDone: () => false };
    const spends = () => live.secrets.refresh_token;
    await this.#records.refresh({ ...refresh, spends }, async (lease) => {
      await lease.begin();
      const record = this.#liveOf(name);
      record.secrets = { refresh_token: `${"r".repeat(40)}${record.refreshCount}` };
      record.refreshCount = (record.refreshCount ?? 0) + 1;
    });
  }

  #liveOf(name: string): CredentialRecord {
    const known = this.#live.get(name);
    if (known) return known;
    const record = this.#first(name);
    this.#live.set(name, record);
    return record;
  }

  #credential(name: string) {
    return {
      live: this.#liveOf(name),
      keepsOneToken: false,
      rotates: "refresh_token",
      refreshToken: this.#liveOf(name).secrets.refresh_token,
      snapshot: () => structuredClone(this.#liveOf(name)),
      takeShared: async (next: CredentialRecord) => void this.#live.set(name, next),
      changed: () => {},
      changeLost: () => {},
      keep: async () => true,
    };
  }
}
