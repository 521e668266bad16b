import type { CredentialRecord } from "../../src/credential/record.ts";
import type { Vault } from "../../src/vault/vault.ts";
import type { SimulatedClock } from "./clock.ts";

/** After this (ms) the system itself has written what nobody synced. */
const WRITEBACK = 30_000;

interface Version {
  json: string;
  at: number;
}

/** A disk in memory: what is written survives a killed process, and if it was synced a power cut. */
export class Disk {
  /** Every change has failed since then; Infinity: it is whole. */
  brokenSince = Number.POSITIVE_INFINITY;
  /** What programs asked for since then could not be written; Infinity while it is whole. */
  unsealedSince = Number.POSITIVE_INFINITY;
  /** Called when what was written is on the disk for sure. */
  onSynced: (name: string, content: CredentialRecord) => void = () => {};
  /** Called when a write begins, and when one that took its time has ended. */
  onChange: () => void = () => {};
  readonly #pending = new Map<string, { count: number; due: number }>();
  /** What a power cut may leave, the oldest first; the last is what a program reads. */
  readonly #files = new Map<string, Version[]>();
  readonly #clock: SimulatedClock;
  readonly #random: () => number;

  constructor(clock: SimulatedClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Writes of this name that no caller has heard of yet. */
  pending(name: string): number {
    return this.#pending.get(name)?.count ?? 0;
  }

  /** Puts it there before the simulation begins. */
  place(name: string, content: CredentialRecord): void {
    this.#files.set(name, [{ json: JSON.stringify(content), at: 0 }]);
  }

  /** What a daemon opens; `alive` says whether that daemon still runs. */
  open(alive: () => boolean): Vault<CredentialRecord> {
    this.#pending.clear();
    return {
      keySource: "file",
      locked: undefined,
      names: () => [...this.#files.keys()],
      knows: (name) => this.#files.has(name),
      isGuarded: () => false,
      anyGuarded: () => undefined,
      read: (name) => {
        const json = this.#files.get(name)?.at(-1)?.json;
        return json === undefined ? undefined : (JSON.parse(json) as CredentialRecord);
      },
      write: (name, content, { durable }) => this.#write(name, content, durable, alive),
      remove: async (name) => {
        this.#files.delete(name);
      },
      ensure: async () => false,
      unlock: async () => true,
      release: async () => {},
      close: async () => {},
    };
  }

  /** The power went: of what was written just before and not synced, some is there and some is not. */
  cutPower(): void {
    for (const [name, versions] of this.#files) {
      this.#dropOld(versions);
      const left = versions[Math.floor(this.#random() * versions.length)]!;
      this.#files.set(name, [left]);
    }
  }

  #write(
    name: string,
    content: CredentialRecord,
    durable: boolean,
    alive: () => boolean,
  ): Promise<void> {
    this.onChange();
    const json = JSON.stringify(content);
    const queue = this.#pending.get(name) ?? { count: 0, due: 0 };
    if (!durable && queue.count === 0) return this.#land(name, json, false);
    this.#pending.set(name, queue);
    queue.count++;
    // Writes of one name happen in the order of the calls.
    queue.due = Math.max(queue.due, this.#clock.truth + 5 + this.#random() * 20);
    return new Promise((resolve, reject) => {
      this.#clock.at(queue.due, () => {
        if (!alive()) return;
        queue.count--;
        this.onChange();
        this.#land(name, json, durable).then(resolve, reject);
      });
    });
  }

  async #land(name: string, json: string, durable: boolean): Promise<void> {
    const { truth } = this.#clock;
    if (this.brokenSince <= truth) throw new Error("ENOSPC: no space left on device");
    const version = { json, at: truth };
    const versions = this.#files.get(name) ?? [];
    versions.push(version);
    this.#dropOld(versions);
    this.#files.set(name, durable ? [version] : versions);
    if (durable) this.onSynced(name, JSON.parse(json) as CredentialRecord);
  }

  /** What came long ago is written, so that nothing before it can be found again. */
  #dropOld(versions: Version[]): void {
    const written = this.#clock.truth - WRITEBACK;
    while (versions.length > 1 && versions[1]!.at <= written) versions.shift();
  }
}
