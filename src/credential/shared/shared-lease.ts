import type { Timer } from "../../base/clock.ts";
import { AuthdError } from "../../errors.ts";
import { hostOfHolder, type StoreEntry } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { notSpent } from "../rotation.ts";
import { inTheWay } from "./not-now.ts";
import { isPersons } from "./own-record.ts";
import type { SharedRecords } from "./shared-records.ts";
import { StoreDown } from "./store-connection.ts";
import { StoreRefuses } from "./store-refuses.ts";

/** A lease lasts so long (ms), and is renewed three times as often. */
export const LEASE_MS = 15_000;
/**
 * An intent lasts so long (ms): a request that spends a refresh token, a second one with the token before, and
 * a margin.
 */
export const INTENT_MS = 300_000;
/** No request begins with less than this (ms) left of its intent: it may take 120 s. */
const NEEDED_MS = 150_000;
/** A wait for another host looks again after this (ms), also where no notice comes. */
const LOOK_AGAIN_MS = 500;

/** One refresh of a credential. */
export interface SharedRefresh {
  name: string;
  /** The refresh token that it is about to spend; undefined if it spends none. */
  spends: () => string | undefined;
  /** False: without the store, this host may get a token by itself. */
  isRotating: boolean;
  /** Time (ms) for which the issuer forgives that a refresh token is sent again; a person's wish: Infinity. */
  reuseGraceMs: number;
  /** True once the token that is wanted is there, as another host has brought it. */
  isDone: () => boolean;
  /** Of a person's change: it waits so long (ms) for another host, and then takes its lease if it brings another refresh token. */
  change?: { patienceMs: number; replacesToken: () => boolean };
}

/** The right to refresh one credential, from before its request until its outcome is in the store. */
export class SharedLease {
  readonly #shared: SharedRecords;
  readonly #refresh: SharedRefresh;
  #epoch: number | undefined;
  #spendUntilBootMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #hasEnded = false;
  /** The record in the store as the lease was taken. */
  #taken: StoreEntry | undefined;
  /** This lease has opened an intent. */
  #hasIntent = false;
  #before: Pick<CredentialRecord, "secrets" | "refused" | "refreshCount"> | undefined;
  /** A person has done something while this waited for another host. */
  #wasBetween = false;
  /** The store could not be reached, and the token was obtained all the same. */
  #isAlone = false;

  constructor(shared: SharedRecords, refresh: SharedRefresh) {
    this.#shared = shared;
    this.#refresh = refresh;
  }

  /**
   * Resolves when this host may send the request; with true if there is nothing to send any more. Rejects with
   * AuthdError: `login_required` if the refresh token may have been spent by a host that does not tell,
   * `issuer_unavailable` if a token that rotates may not be spent, as the store can't be reached.
   */
  async begin(): Promise<boolean> {
    const { isRotating, name } = this.#refresh;
    try {
      if (await this.#take()) return true;
    } catch (error) {
      if (!(error instanceof StoreDown)) throw error;
      if (isRotating) throw notWithoutStore(name, error);
      this.#isAlone = true;
    }
    this.#note();
    return false;
  }

  /** True while no other host can commit the record, and its outcome is not on the way into the store yet. */
  get isHeld(): boolean {
    return this.#epoch !== undefined && !this.#isAlone && !this.#hasEnded;
  }

  /** Throws AuthdError if the request may no longer be sent, as the process was stopped for long. */
  assertTime(): void {
    if (this.#shared.nowBootMs < this.#spendUntilBootMs) return;
    throw new AuthdError(
      "issuer_unavailable",
      `${this.#refresh.name}: the time in which its refresh token may be spent by this host has run out.`,
      { credential: this.#refresh.name, contact: { sent: false, answered: false } },
    );
  }

  /** Puts the outcome into the store. Never rejects. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#timer?.cancel();
    const { name } = this.#refresh;
    const record = this.#shared.liveRecord(name);
    if (this.#isAlone) {
      if (record && this.#isChanged(record)) this.#shared.commits.later(name);
      return;
    }
    const epoch = this.#epoch;
    if (epoch === undefined) return;
    const settles = record !== undefined && (await this.#settles(record));
    const { commits, leases } = this.#shared;
    if (record && this.#isDue(record)) await commits.commit(name, epoch, settles);
    else await leases.release(name, epoch, settles);
  }

  /** True if it is known what came of every request that may have spent the refresh token of the record in the store. */
  async #settles(record: CredentialRecord): Promise<boolean> {
    if (record.rotation?.intent) return false;
    return this.#hasIntent || (await this.#shared.commits.settles(this.#taken, record));
  }

  /** While an outcome is not known, nothing but a person's change is committed. */
  #isDue(record: CredentialRecord): boolean {
    if (record.rotation?.intent && !isPersons(record)) return false;
    return this.#isChanged(record) || this.#shared.pending.has(this.#refresh.name);
  }

  /** Takes the lease and opens an intent. Resolves with true if another host has brought the token. */
  async #take(): Promise<boolean> {
    const { name, isDone, change } = this.#refresh;
    const end = this.#shared.nowBootMs + (change?.patienceMs ?? Number.POSITIVE_INFINITY);
    const record = this.#shared.liveRecord(name);
    for (;;) {
      const { entry, nowMs } = await this.#shared.look(name);
      if (entry) await this.#shared.assertMayHave(entry);
      if (isDone()) return true;
      this.#assertGoesOn(record);
      // Before the token of an outcome is spent, others are to know of it.
      if (await this.#shared.commitLeft(name, entry)) continue;
      const waitMs = this.#waitFor(entry, nowMs);
      if (waitMs > 0) await this.#wait(entry!, waitMs, end - this.#shared.nowBootMs);
      else if (await this.#acquire(entry)) return isDone();
    }
  }

  /** Throws AuthdError if nothing is to be refreshed any more; `record` is what was to be. */
  #assertGoesOn(record: CredentialRecord | undefined): void {
    const { name } = this.#refresh;
    if (this.#wasBetween && this.#shared.liveRecord(name) !== record) throw replaced(name);
    if (this.#shared.isDrained) throw drained(name);
  }

  /** Waits for another host, for `leftMs` more at most. Rejects with AuthdError if that is over, and it stays in the way. */
  async #wait(entry: StoreEntry, waitMs: number, leftMs: number): Promise<void> {
    const { name, change } = this.#refresh;
    if (leftMs > 0) {
      await this.#shared.noticeOf(name, Math.min(waitMs, leftMs, LOOK_AGAIN_MS));
      if (!change && (await this.#shared.runWanted(name))) this.#wasBetween = true;
      return;
    }
    // An intent of its lease: what comes of the request is of no use beside another token.
    const isSpending = entry.intent?.epoch === entry.epoch;
    if (!isSpending || !change?.replacesToken()) throw inTheWay(entry, waitMs);
    await this.#shared.leases.take(name, entry.epoch);
  }

  /** Resolves with false if another host was faster. */
  async #acquire(before: StoreEntry | undefined): Promise<boolean> {
    const { name, isDone } = this.#refresh;
    const { done, entry } = await this.#shared.leases.acquire(name, before?.epoch ?? 0, LEASE_MS);
    if (!done || !entry) return false;
    this.#epoch = entry.epoch;
    this.#taken = entry;
    this.#renewLater();
    // Committed between the look and the lease.
    if (entry.version !== (before?.version ?? 0)) await this.#shared.look(name);
    if (!isDone()) await this.#intend(entry.epoch);
    return true;
  }

  /** Returns how long (ms) to wait for another host; 0: no longer. */
  #waitFor(entry: StoreEntry | undefined, nowMs: number): number {
    const { name, isRotating, reuseGraceMs } = this.#refresh;
    const { lease, intent } = entry ?? {};
    const isForeign = lease && lease.holder !== this.#shared.holder;
    const leaseMs = isForeign ? Math.max(0, lease.untilMs - nowMs) : 0;
    if (!intent || !isRotating || this.#shared.isUnsent(entry)) return leaseMs;
    // A clock that was set back tells no age.
    const ageMs = nowMs < intent.openedMs ? Number.MAX_VALUE : nowMs - intent.openedMs;
    if (ageMs < reuseGraceMs) return leaseMs;
    const isOwn = intent.holder === this.#shared.holder;
    const waitMs = isOwn ? 0 : intent.deadlineMs - nowMs;
    if (waitMs > 0) return waitMs;
    throw maybeSpent(name, hostOfHolder(intent.holder));
  }

  /** Opens an intent, if a refresh token is about to be spent. Rejects with StoreDown if the lease was lost. */
  async #intend(epoch: number): Promise<void> {
    const token = this.#refresh.spends();
    if (token === undefined) return;
    await this.#noteEarlier();
    const from = this.#shared.nowBootMs;
    const intent = { epoch, token, ttlMs: INTENT_MS };
    const { done } = await this.#shared.leases.intend(this.#refresh.name, intent);
    if (!done) throw new StoreDown("another host has taken the lease");
    this.#hasIntent = true;
    this.#spendUntilBootMs = from + INTENT_MS - NEEDED_MS;
  }

  /**
   * Seals that a request of before may have spent the token, as the intent of that one is about to give way to this host's:
   * this request's outcome must tell, also if it is not sent. Rejects with AuthdError `internal` if the disk fails.
   */
  async #noteEarlier(): Promise<void> {
    const { name } = this.#refresh;
    if (!this.#taken?.intent || this.#shared.isUnsent(this.#taken)) return;
    if (!(await this.#shared.noteMaybeSpent(name))) throw notSpent();
  }

  /** Marks the record before anything is sent: what is sealed from now on may not be in the store. */
  #note(): void {
    const record = this.#shared.liveRecord(this.#refresh.name);
    if (!record) return;
    const { secrets, refused, refreshCount } = record;
    this.#before = { secrets, ...(refused && { refused }), refreshCount: refreshCount ?? 0 };
    const { version = 0, generation = 0, epoch = 0, ...rest } = record.shared ?? {};
    record.shared = { version, generation, ...rest, epoch: this.#epoch ?? epoch, pending: true };
  }

  #isChanged({ secrets, refused, refreshCount = 0 }: CredentialRecord): boolean {
    const before = this.#before;
    return (
      before !== undefined &&
      (secrets !== before.secrets ||
        refused !== before.refused ||
        refreshCount !== before.refreshCount)
    );
  }

  #renewLater(): void {
    // A renewal may still have been on its way.
    if (this.#hasEnded) return;
    this.#timer = this.#shared.schedule(LEASE_MS / 3, () => {
      const epoch = this.#epoch;
      if (epoch === undefined) return;
      void this.#shared.leases
        .renew(this.#refresh.name, epoch, LEASE_MS)
        .finally(() => this.#renewLater());
    });
  }
}

function notWithoutStore(credential: string, { message, isRefusal }: StoreDown): AuthdError {
  if (isRefusal) {
    const not = "its refresh token is not spent";
    return new StoreRefuses("issuer_unavailable", { credential, not }, message);
  }
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: its refresh token is not spent while the store can't be reached, as another host may spend it. ${message}`,
    { credential },
  );
}

function replaced(credential: string): AuthdError {
  const message = `${credential}: it was replaced or removed while its refresh waited for another host`;
  return new AuthdError("unknown_credential", message, { credential });
}

function drained(credential: string): AuthdError {
  const message = `${credential}: this host refreshes nothing any more (authd fleet drain), and no other host has brought a token.`;
  return new AuthdError("issuer_unavailable", message, { credential });
}

function maybeSpent(credential: string, host: string): AuthdError {
  return new AuthdError(
    "login_required",
    `${credential}: the host ${host} was about to spend its refresh token, and never told what came of it. Start authd ` +
      `there again if it has ended; else enter another token, or try this one once (authd refresh ${credential})`,
    { credential },
  );
}
