import type { Timer } from "../../base/clock.ts";
import { Turns } from "../../base/turns.ts";
import type { CredentialSettings } from "../../config/settings.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { FleetKeys, StoreEntry, Timed } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { adopt, isKnown } from "./adopt.ts";
import { Commits, changeToCommit, entersToken } from "./commits.ts";
import { assertMayHave, groupAfter, groupOf, mayHave, openGroup, servesRecord } from "./groups.ts";
import { Leases } from "./leases.ts";
import { notChanged, notNow } from "./not-now.ts";
import { isUnsent, leftOf, noteMaybeSpent } from "./open-intent.ts";
import { Recovery } from "./recovery.ts";
import { SharedContext, type SharedRecordsOptions } from "./shared-context.ts";
import { LEASE_MS, SharedLease, type SharedRefresh } from "./shared-lease.ts";
import type { SharedOwner } from "./shared-owner.ts";
import type { StoreConnection } from "./store-connection.ts";
import { StoreRefuses } from "./store-refuses.ts";
import { whenFree } from "./take-for.ts";

/** A refresh under way. */
interface Refreshing {
  refresh: SharedRefresh;
  lease: SharedLease;
  /** What a person changes under its lease; its end waits for them. */
  changes: Set<Promise<void>>;
}

/** A person's change waits so long (ms) in its turn for another host: who calls it waits before (see `whenFree`). */
const CHANGE_MS = 2_000;

/**
 * Shares the sealed records of this host with others: before one of them refreshes a credential it takes the
 * lease, and what it obtains is used by all. The sealed file of this host comes first: what the store has not
 * got yet is committed later.
 */
export class SharedRecords {
  readonly #context: SharedContext;
  readonly leases: Leases;
  readonly commits: Commits;
  readonly recovery: Recovery;
  readonly #turns = new Map<string, Turns>();
  readonly #refreshing = new Map<string, Refreshing>();
  /** What persons do, and none has begun yet; none rejects. */
  readonly #wanted = new Map<string, (() => Promise<void>)[]>();
  /** Names of records of which something was heard while they were being refreshed. */
  readonly #heard = new Set<string>();
  /** Names of records whose newest version could not be read or taken over. */
  readonly #behind = new Set<string>();
  /** This host refreshes nothing any more. */
  isDrained = false;

  constructor(options: SharedRecordsOptions) {
    this.#context = new SharedContext(options);
    this.leases = new Leases(this.#context);
    this.commits = new Commits(this.#context);
    this.recovery = new Recovery(this.#context, this.commits);
  }

  /** Called once, before anything else. */
  connect(owner: SharedOwner): void {
    this.#context.owner = owner;
  }

  /** Name of this host. */
  get host(): string {
    return this.#context.host;
  }

  /** As which this host has leases, and opens intents. */
  get holder(): string {
    return this.#context.holder;
  }

  get connection(): StoreConnection {
    return this.#context.connection;
  }

  /** Number of records that this host refreshes under a lease. */
  get heldLeases(): number {
    return [...this.#refreshing.values()].filter(({ lease }) => lease.isHeld).length;
  }

  /** Names of records with something that the store has not got. */
  get pending(): ReadonlySet<string> {
    return this.#context.pending;
  }

  /** Names of records that the store has, and of which this host has secrets of its own (see alone.ts). */
  get clashes(): ReadonlySet<string> {
    return this.#context.clashes;
  }

  /** Has a record taken over with the next question, as what this host had in its place is gone. */
  takeLater(name: string): void {
    this.#context.clashes.delete(name);
    this.#behind.add(name);
  }

  get nowBootMs(): number {
    return this.#context.options.time.now().boot;
  }

  schedule(ms: number, run: () => void): Timer {
    return this.#context.options.clock.schedule(ms, run);
  }

  liveRecord(name: string): CredentialRecord | undefined {
    return this.#context.liveRecord(name);
  }

  // ---- refreshing ----

  /**
   * Runs `work`, one at a time for each credential; it calls `begin` of the lease before it sends anything. The
   * result does not wait until it is in the store.
   */
  refresh<T>(refresh: SharedRefresh, work: (lease: SharedLease) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      void this.inTurn(refresh.name, () =>
        this.#underLease(refresh, (lease) => work(lease).then(resolve, reject)),
      );
    });
  }

  /** In its turn, or in that of a refresh that waits for another host. `work` never rejects. */
  async #underLease(
    refresh: SharedRefresh,
    work: (lease: SharedLease) => Promise<void>,
  ): Promise<void> {
    const { name } = refresh;
    const waiting = this.#refreshing.get(name);
    const lease = new SharedLease(this, refresh);
    const changes = new Set<Promise<void>>();
    this.#refreshing.set(name, { refresh, lease, changes });
    await work(lease);
    while (changes.size > 0) await Promise.allSettled(changes);
    await lease.end();
    if (waiting) return void this.#refreshing.set(name, waiting);
    this.#refreshing.delete(name);
    if (this.#heard.delete(name)) void this.pull(name);
  }

  /**
   * Runs a person's change of a credential; `settings` are those that are agreed to with it, `update` seals the change.
   * One that brings another refresh token takes the lease of a host that refreshes, or has ended while it did: what comes
   * of that is of no more use. Rejects with AuthdError, also where another host is in the way.
   */
  async change(
    settings: CredentialSettings,
    change: (record: CredentialRecord) => void,
    update: (change: (record: CredentialRecord) => void) => Promise<void>,
  ): Promise<void> {
    const { name, boundValues } = settings;
    const inGroup = async () => {
      const before = this.liveRecord(name);
      const group = groupAfter(before, boundValues);
      if (group !== groupOf(before)) await openGroup(this.#context, group);
      await update(changeToCommit(settings, group, change));
      this.commits.later(name);
    };
    const running = this.#refreshing.get(name);
    // Its end commits what the record is by then.
    if (running?.lease.isHeld) return await changeUnder(running, inGroup);
    const refresh = { name, isRotating: true, reuseGraceMs: Number.POSITIVE_INFINITY };
    const replacesToken = () => entersToken(settings, this.liveRecord(name), change);
    const lease = {
      ...{ ...refresh, spends: () => undefined, isDone: () => false },
      change: { patienceMs: CHANGE_MS, replacesToken },
    };
    const work = async (taken: SharedLease) => {
      await taken.begin().catch((error) => {
        if (error instanceof StoreRefuses) throw notChanged(name, error.why);
        if (error instanceof AuthdError && error.reason === "too_busy") throw error;
        throw notNow(name, messageOf(error));
      });
      await inGroup();
    };
    await new Promise<void>((resolve, reject) => {
      this.#want(name, () => this.#underLease(lease, (taken) => work(taken).then(resolve, reject)));
    });
  }

  /** See take-for.ts. */
  async whenFree(name: string): Promise<void> {
    await whenFree(this, name);
  }

  /** Runs what a person does when nothing else is done with the record, or while a refresh waits for another host. */
  inPersonsTurn(name: string, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#want(name, () => work().then(resolve, reject));
    });
  }

  /** `work` never rejects. */
  #want(name: string, work: () => Promise<void>): void {
    const wanted = this.#wanted.get(name) ?? [];
    this.#wanted.set(name, wanted);
    wanted.push(work);
    void this.inTurn(name, async () => void (await this.runWanted(name)));
    this.wake(name);
  }

  /** Does what persons want, in the turn of the caller. Resolves with true if there was any. Never rejects. */
  async runWanted(name: string): Promise<boolean> {
    const wanted = this.#wanted.get(name) ?? [];
    const isAny = wanted.length > 0;
    for (let next = wanted.shift(); next; next = wanted.shift()) await next();
    return isAny;
  }

  /** Puts back what the store has lost, as far as this host has it, and looks whether all hosts have done so. */
  async recover(): Promise<void> {
    await this.recovery.go(async (name, work) => {
      // What it brings is newer; one that rotates nothing is no matter.
      const running = this.#refreshing.get(name);
      if (running) return !running.refresh.isRotating;
      await this.inTurn(name, work);
      return true;
    });
  }

  /** Runs `work` when nothing else is done with the record. */
  inTurn(name: string, work: () => Promise<void>): Promise<void> {
    return this.#turnOf(name).run(work);
  }

  #turnOf(name: string): Turns {
    const known = this.#turns.get(name);
    if (known) return known;
    const turns = new Turns();
    this.#turns.set(name, turns);
    return turns;
  }

  // ---- the store ----

  /** Reads a record from the store, and takes it over if it is newer. In its turn. Rejects with StoreDown. */
  async look(name: string): Promise<Timed<{ entry: StoreEntry | undefined }>> {
    const answer = await this.connection.ask((store) => store.read(name));
    const { entry } = answer;
    if (this.#isEarlier(name, entry) && !this.recovery.isOpen) this.recovery.begin();
    if (entry) await adopt(this.#context, entry);
    return answer;
  }

  /** True if the store has an earlier version than it had when this host committed, or took over, its own. */
  #isEarlier(name: string, entry: StoreEntry | undefined): boolean {
    return (entry?.version ?? 0) < (this.liveRecord(name)?.shared?.version ?? 0);
  }

  /** See groups.ts. */
  async openGroup(group: string): Promise<void> {
    await openGroup(this.#context, group);
  }

  serves(keys: FleetKeys, record: { group: string; name: string }): boolean {
    return servesRecord(this.#context, keys, record);
  }

  /** Rejects with AuthdError `unknown_credential` if this host does not serve the record's group. */
  async assertMayHave(entry: StoreEntry): Promise<void> {
    await assertMayHave(this.#context, entry);
  }

  /** Commits what an earlier lease, or an earlier run, has left. Runs in a turn of its own. Never rejects. */
  async reconcile(name: string): Promise<void> {
    if (this.#refreshing.has(name)) return;
    await this.#turnOf(name).run(async () => {
      try {
        await this.commitLeft(name);
      } catch (error) {
        this.#context.options.log.debug({ credential: name }, messageOf(error));
      }
    });
  }

  /**
   * Commits what an earlier lease, or an earlier run, has left, and closes an intent of this host that it never sent;
   * `known` is the record in the store. In its turn. Resolves with true if it did. Rejects with StoreDown.
   */
  async commitLeft(name: string, known?: StoreEntry): Promise<boolean> {
    if (known) this.#noteUnsent(known);
    if (!this.pending.has(name)) return false;
    const { entry } = await this.look(name);
    const left = await leftOf(this.#context, name, entry);
    if (!left) return false;
    const { epoch, settles } = left;
    if (entry?.epoch === epoch) return await this.commits.commit(name, epoch, settles);
    return await this.#commitAnew(name, entry?.epoch ?? 0, settles);
  }

  /** Takes the lease of a record to commit it. */
  async #commitAnew(name: string, before: number, settles: boolean): Promise<boolean> {
    const { done, entry } = await this.leases.acquire(name, before, LEASE_MS);
    if (!done || !entry) return false;
    const isThere = await this.commits.commit(name, entry.epoch, settles);
    if (!isThere) await this.leases.release(name, entry.epoch, false);
    return isThere;
  }

  // ---- what other hosts do ----

  /** Takes over a record that another host has committed, in a turn of its own. Never rejects. */
  async take(entry: StoreEntry): Promise<void> {
    const { name } = entry;
    this.wake(name);
    if (this.#refreshing.has(name)) return void this.#heard.add(name);
    this.#noteUnsent(entry);
    await this.#orLater(name, "warn", async () => {
      if (this.#isEarlier(name, entry))
        return void (await this.#turnOf(name).run(() => this.look(name)));
      if (isKnown(this.#context, entry) && (await mayHave(this.#context, entry))) return;
      await this.#turnOf(name).run(() => adopt(this.#context, entry));
    });
  }

  /** Reads a record of which a notice came. Never rejects. */
  async pull(name: string): Promise<void> {
    this.wake(name);
    if (this.#refreshing.has(name)) return void this.#heard.add(name);
    await this.#orLater(name, "debug", () => this.#turnOf(name).run(() => this.look(name)));
  }

  /** Returns the names of records that were not taken over when they were heard of, and forgets them. */
  takeBehind(): string[] {
    const names = [...this.#behind];
    this.#behind.clear();
    return names;
  }

  /** Never rejects: what fails is done with the next question, but for a record that is damaged. */
  async #orLater(name: string, level: "debug" | "warn", work: () => Promise<unknown>) {
    try {
      await work();
    } catch (error) {
      const isDamaged = error instanceof AuthdError && error.reason === "credential_damaged";
      if (!isDamaged) this.#behind.add(name);
      this.#context.options.log[level]({ credential: name }, messageOf(error));
    }
  }

  /** What was opened, and never sent, is closed. */
  #noteUnsent(entry: StoreEntry): void {
    if (this.isUnsent(entry)) this.commits.later(entry.name);
  }

  /** See open-intent.ts. */
  isUnsent(entry: StoreEntry | undefined): boolean {
    return isUnsent(this.#context, entry);
  }

  /** See open-intent.ts. */
  async noteMaybeSpent(name: string): Promise<boolean> {
    return await noteMaybeSpent(this.#context, name);
  }

  // ---- waiting ----

  /** Resolves when something is heard of a record, `ms` later at the latest. Rejects with StoreDown at the end. */
  noticeOf(name: string, ms: number): Promise<void> {
    return this.#context.notices.of(name, ms);
  }

  wake(name: string): void {
    this.#context.notices.wake(name);
  }

  /** Waits for other hosts again. */
  resume(): void {
    this.#context.notices.resume();
  }

  /** Waits for other hosts no more. Resolves when no outcome is on its way into the store. */
  async halt(): Promise<void> {
    this.#context.notices.halt();
    await Promise.all([...this.#turns.values()].map((turns) => turns.run(async () => {})));
  }
}

/** Runs a change under the lease of a refresh. */
async function changeUnder({ changes }: Refreshing, change: () => Promise<void>): Promise<void> {
  const changing = change();
  changes.add(changing);
  await changing.finally(() => changes.delete(changing));
}
