import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Timekeeper } from "../../base/timekeeper.ts";
import { Turns } from "../../base/turns.ts";
import { messageOf } from "../../errors.ts";
import {
  type Intend,
  type Outcome,
  openPayload,
  type StoreEntry,
  sealPayload,
  type Timed,
  tokenDigest,
} from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { LEASE_MS, SharedLease, type SharedRefresh } from "./shared-lease.ts";
import type { SharedOwner } from "./shared-owner.ts";
import { fromShared, type SharedContent, sharedContent, toShared } from "./shared-record.ts";
import { type OpenedStore, StoreConnection, StoreDown } from "./store-connection.ts";
import { notNow, takeFor } from "./take-for.ts";

export interface SharedRecordsOptions {
  /** Name of this host. */
  host: string;
  /** Opens the store. Rejects while it can't be reached, or this host is none of its members. */
  open: () => Promise<OpenedStore>;
  clock: Clock;
  time: Timekeeper;
  log: Log;
}

/**
 * Shares the sealed records of this host with others: before one of them refreshes a credential it takes the
 * lease, and what it obtains is used by all. The sealed file of this host comes first: what the store has not
 * got yet is committed later.
 */
export class SharedRecords {
  readonly host: string;
  readonly connection: StoreConnection;
  readonly #options: SharedRecordsOptions;
  readonly #turns = new Map<string, Turns>();
  readonly #refreshing = new Set<string>();
  /** Names of records of which something was heard while they were being refreshed. */
  readonly #heard = new Set<string>();
  #isHalted = false;
  /** This host refreshes nothing any more. */
  isDrained = false;
  /** Names of records with something that the store has not got. */
  readonly #pending = new Set<string>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #owner: SharedOwner | undefined;

  constructor(options: SharedRecordsOptions) {
    this.#options = options;
    this.host = options.host;
    this.connection = new StoreConnection(options.open, options.time);
  }

  /** Called once, before anything else. */
  connect(owner: SharedOwner): void {
    this.#owner = owner;
  }

  get pending(): ReadonlySet<string> {
    return this.#pending;
  }

  get nowBootMs(): number {
    return this.#options.time.now().boot;
  }

  schedule(ms: number, run: () => void): Timer {
    return this.#options.clock.schedule(ms, run);
  }

  liveRecord(name: string): CredentialRecord | undefined {
    return this.#owner?.find(name)?.live;
  }

  // ---- refreshing ----

  /**
   * Runs `work`, one at a time for each credential; it calls `begin` of the lease before it sends anything. The
   * result does not wait until it is in the store.
   */
  refresh<T>(refresh: SharedRefresh, work: (lease: SharedLease) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { name } = refresh;
      void this.#turnOf(name).run(async () => {
        const lease = new SharedLease(this, refresh);
        this.#refreshing.add(name);
        await work(lease).then(resolve, reject);
        await lease.end();
        this.#refreshing.delete(name);
        if (this.#heard.delete(name)) void this.pull(name);
      });
    });
  }

  /** Runs a person's change of a credential. Rejects with AuthdError, also where another host is in the way. */
  async change(name: string, update: () => Promise<void>): Promise<void> {
    if (this.#refreshing.has(name)) {
      // Its end commits what the record is by then.
      await update();
      this.#nextGeneration(name);
      return;
    }
    const refresh = { name, isRotating: true, reuseGraceMs: Number.POSITIVE_INFINITY };
    const lease = { ...refresh, spends: () => undefined, isDone: () => false };
    await this.refresh(lease, async (taken) => {
      await taken.begin().catch((error) => {
        throw notNow(name, messageOf(error));
      });
      await update();
      this.#nextGeneration(name);
    });
  }

  /**
   * Replaces a record that is not in memory. `write` seals it, with its place in the store. Rejects with
   * AuthdError if it can't be put there, or the disk fails.
   */
  async put(
    name: string,
    content: CredentialRecord,
    write: (content: CredentialRecord) => Promise<void>,
  ): Promise<void> {
    await this.#turnOf(name).run(async () => {
      const { epoch, version } = await takeFor(this, name);
      const shared = { version, epoch, generation: version + 1 };
      await write({ ...content, shared: { ...shared, pending: true } });
      this.#pending.add(name);
      if (await this.#send(name, content, shared)) {
        await write({ ...content, shared: { ...shared, version: version + 1 } });
      }
    });
  }

  /** Removes a record. `remove` deletes it on this host. Rejects with AuthdError as `put`. */
  async remove(name: string, remove: () => Promise<void>): Promise<void> {
    await this.#turnOf(name).run(async () => {
      const { epoch, version } = await takeFor(this, name);
      await remove();
      this.#pending.delete(name);
      const commit = { epoch, version, payload: undefined, holder: this.host };
      await this.connection
        .ask((store, { id: keyId }) => store.commit(name, { ...commit, keyId }))
        .catch((error) => this.#options.log.error({ credential: name }, messageOf(error)));
    });
  }

  #nextGeneration(name: string): void {
    const record = this.liveRecord(name);
    if (!record) return;
    const { version = 0, epoch = 0 } = record.shared ?? {};
    record.shared = { version, epoch, generation: version + 1, pending: true };
    this.#pending.add(name);
  }

  #turnOf(name: string): Turns {
    const known = this.#turns.get(name);
    if (known) return known;
    const turns = new Turns();
    this.#turns.set(name, turns);
    return turns;
  }

  // ---- the store ----

  /** Reads a record from the store, and takes it over if it is newer. Rejects with StoreDown. */
  async look(name: string): Promise<Timed<{ entry: StoreEntry | undefined }>> {
    const answer = await this.connection.ask((store) => store.read(name));
    if (answer.entry) await this.#adopt(answer.entry);
    return answer;
  }

  acquire(name: string, epoch: number, ttlMs: number): Promise<Timed<Outcome>> {
    const { host: holder } = this;
    return this.connection.ask((store) => store.acquire(name, { holder, epoch, ttlMs }));
  }

  /** Opens an intent to spend `token`, of which the store gets a digest. */
  intend(
    name: string,
    { token, ...intent }: Omit<Intend, "hash"> & { token: string },
  ): Promise<Timed<Outcome>> {
    return this.connection.ask((store, key) =>
      store.intend(name, { ...intent, hash: tokenDigest(key, token) }),
    );
  }

  /** Never rejects: a lease that can't be renewed ends. */
  async renew(name: string, epoch: number, ttlMs: number): Promise<void> {
    await this.connection.ask((store) => store.renew(name, epoch, ttlMs)).catch(() => {});
  }

  /** Never rejects: a lease that can't be given up ends by itself. */
  async release(name: string, epoch: number, settled: boolean): Promise<void> {
    await this.connection
      .ask((store) => store.release(name, epoch, settled))
      .catch(() => settled && this.#pending.add(name));
    const record = this.liveRecord(name);
    if (!settled || !record?.shared || this.#pending.has(name)) return;
    record.shared = { ...record.shared, pending: false };
    await this.#owner?.find(name)?.keep(false);
  }

  /** Marks a record to be committed when the store can be reached. */
  commitLater(name: string): void {
    this.#pending.add(name);
  }

  /** Commits the record as it is in memory, under a lease. Never rejects: what can't be committed is later. */
  async commit(name: string, epoch: number): Promise<void> {
    this.#pending.add(name);
    const credential = this.#owner?.find(name);
    const snapshot = credential?.snapshot();
    const live = credential?.live;
    if (!credential || !snapshot || !live) return;
    const { version = 0, generation = 0 } = live.shared ?? {};
    if (!(await this.#send(name, snapshot, { version, generation, epoch }))) return;
    live.shared = { version: version + 1, generation, epoch };
    await credential.keep(false);
  }

  /** Commits a record. Never rejects; false if it is not in the store: then it is compared, or sent later. */
  async #send(
    name: string,
    snapshot: CredentialRecord,
    { version, generation, epoch }: { version: number; generation: number; epoch: number },
  ): Promise<boolean> {
    const { log, time } = this.#options;
    const file = this.#owner?.fileOf(name);
    try {
      const { done, entry } = await this.connection.ask((store, key) => {
        const record = toShared(snapshot, this.connection.clock, time.bootId);
        const payload = sealPayload(key, name, { generation, record, file });
        return store.commit(name, { keyId: key.id, epoch, version, payload, holder: this.host });
      });
      if (done) this.#pending.delete(name);
      else {
        log.warn({ credential: name }, `${name}: another host has committed meanwhile`);
        // Or it has sealed everything with another key.
        await this.connection.close();
        if (entry) await this.#adopt(entry);
      }
      return done;
    } catch (error) {
      log.warn({ credential: name }, `${name}: it is not in the store yet: ${messageOf(error)}`);
      return false;
    }
  }

  /** Commits what an earlier lease, or an earlier run, has left. Runs in a turn of its own. Never rejects. */
  async reconcile(name: string): Promise<void> {
    if (this.#refreshing.has(name)) return;
    await this.#turnOf(name).run(async () => {
      try {
        await this.#commitLeft(name);
      } catch (error) {
        this.#options.log.debug({ credential: name }, messageOf(error));
      }
    });
  }

  async #commitLeft(name: string): Promise<void> {
    const { entry } = await this.look(name);
    const { shared, rotation } = this.liveRecord(name) ?? {};
    if (!this.#pending.has(name) || !shared || rotation?.intent) return;
    if (entry?.intent && entry.intent.holder !== this.host) return;
    if (entry?.epoch === shared.epoch) return await this.commit(name, shared.epoch);
    const taken = await this.acquire(name, entry?.epoch ?? 0, LEASE_MS);
    if (taken.done && taken.entry) await this.commit(name, taken.entry.epoch);
  }

  // ---- what other hosts do ----

  /** Takes over a record that another host has committed, in a turn of its own. Rejects with AuthdError. */
  async take(entry: StoreEntry): Promise<void> {
    this.wake(entry.name);
    if (this.#refreshing.has(entry.name)) return void this.#heard.add(entry.name);
    this.#noteUnsent(entry);
    if (this.#isKnown(entry)) return;
    await this.#turnOf(entry.name).run(() => this.#adopt(entry));
  }

  /** Reads a record of which a notice came. Never rejects. */
  async pull(name: string): Promise<void> {
    this.wake(name);
    if (this.#refreshing.has(name)) return void this.#heard.add(name);
    await this.#turnOf(name)
      .run(() => this.look(name))
      .catch(() => {});
  }

  /** This host opened an intent, and ended before it sealed that it would send the request: nothing was spent. */
  #noteUnsent({ name, intent }: StoreEntry): void {
    const isUnsent = this.liveRecord(name)?.rotation?.intent === undefined;
    if (intent?.holder === this.host && isUnsent) this.#pending.add(name);
  }

  #isKnown({ name, version }: StoreEntry): boolean {
    return version <= (this.liveRecord(name)?.shared?.version ?? 0);
  }

  async #adopt(entry: StoreEntry): Promise<void> {
    const owner = this.#owner;
    const { name, version, epoch, payload } = entry;
    if (!owner || owner.isLocked || version === 0) return;
    const credential = owner.find(name);
    if (credential && this.#isKnown(entry)) return;
    if (!payload) {
      // A store that was emptied, or a host that was shut out, is no reason to remove anything.
      await this.connection.close();
      await this.connection.opened();
      if (credential) await owner.remove(name);
      return;
    }
    const content = sharedContent.parse(await this.#open(name, payload)) as SharedContent;
    const { generation } = content;
    const { time, clock } = this.#options;
    const live = credential?.live;
    const isChange = generation !== (live?.shared?.generation ?? 0) || !live;
    const record = fromShared(content.record, credential?.snapshot(), this.connection.clock, {
      bootId: time.bootId,
      random: () => clock.random(),
      isChange,
      keepsOthers: !isChange && credential?.keepsOneToken === false,
    });
    record.shared = { version, generation, epoch };
    this.#pending.delete(name);
    if (credential) await credential.takeShared(record, isChange);
    else await owner.add(name, { ...content, record });
    this.wake(name);
  }

  /** Opens a payload; if it is sealed with another key, once more with the one of now. */
  async #open(name: string, payload: Buffer): Promise<unknown> {
    const { key } = await this.connection.opened();
    try {
      return openPayload(key, name, payload);
    } catch {
      await this.connection.close();
      return openPayload((await this.connection.opened()).key, name, payload);
    }
  }

  // ---- waiting ----

  /** Resolves when something is heard of a record, `ms` later at the latest. Rejects with StoreDown at the end. */
  async noticeOf(name: string, ms: number): Promise<void> {
    if (this.#isHalted) throw new StoreDown("authd is ending, or the vault is being locked");
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, waiting);
      const timer = this.schedule(Math.max(1, ms), () => done());
      const done = () => {
        timer.cancel();
        waiting.delete(done);
        resolve();
      };
      waiting.add(done);
    });
  }

  wake(name: string): void {
    for (const done of [...(this.#waiting.get(name) ?? [])]) done();
  }

  /** Waits for other hosts again. */
  resume(): void {
    this.#isHalted = false;
  }

  /** Waits for other hosts no more. Resolves when no outcome is on its way into the store. */
  async halt(): Promise<void> {
    this.#isHalted = true;
    for (const name of this.#waiting.keys()) this.wake(name);
    await Promise.all([...this.#turns.values()].map((turns) => turns.run(async () => {})));
  }
}
