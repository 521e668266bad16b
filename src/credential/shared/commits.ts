import type { CredentialSettings } from "../../config/settings.ts";
import { messageOf } from "../../errors.ts";
import {
  DEFAULT_GROUP,
  type Outcome,
  type StoreEntry,
  sealPayload,
  tokenDigest,
} from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { adopt } from "./adopt.ts";
import { groupOf, inGroup, keyOf } from "./groups.ts";
import { settles } from "./open-intent.ts";
import { isPersons, refreshTokenOf } from "./own-record.ts";
import type { SharedContext } from "./shared-context.ts";
import { INTENT_MS } from "./shared-lease.ts";
import { toShared } from "./shared-record.ts";
import { StoreDown } from "./store-connection.ts";

type Place = Omit<NonNullable<CredentialRecord["shared"]>, "pending" | "keepsToken">;

/** Puts this host's records into the store; what can't be put there waits. */
export class Commits {
  /** Commits since the start, by what came of them. */
  readonly counts = { committed: 0, lost: 0, failed: 0 };
  readonly #context: SharedContext;

  constructor(context: SharedContext) {
    this.#context = context;
  }

  /** Marks a record to be committed when the store can be reached. */
  later(name: string): void {
    this.#context.pending.add(name);
  }

  /** What the store has not got of a record is not committed any more. */
  forget(name: string): void {
    this.#context.pending.delete(name);
  }

  /** True if `record` closes the intent of the record in the store. Never rejects: false if the store can't be reached. */
  async settles(entry: StoreEntry | undefined, record: CredentialRecord): Promise<boolean> {
    return await settles(this.#context, entry, record).catch(() => false);
  }

  /**
   * Commits the record as it is in memory, under a lease; `settles`: it closes an open intent. Never rejects: what can't
   * be committed is later. Resolves with true if it is in the store.
   */
  async commit(name: string, epoch: number, settles: boolean): Promise<boolean> {
    this.later(name);
    const credential = this.#context.owner?.find(name);
    const snapshot = credential?.snapshot();
    const live = credential?.live;
    if (!credential || !snapshot || !live) return false;
    const { version = 0, generation = 0 } = live.shared ?? {};
    const place = { version, generation, epoch, ...inGroup(groupOf(live)) };
    if (!(await this.send(name, snapshot, place, settles))) return false;
    live.shared = { ...place, version: version + 1 };
    await credential.keep(false);
    return true;
  }

  /** Commits a record. Never rejects; false if it is not in the store: then it is compared, or sent later. */
  async send(
    name: string,
    snapshot: CredentialRecord,
    place: Place,
    settles: boolean,
  ): Promise<boolean> {
    const { options, pending } = this.#context;
    const { log } = options;
    try {
      const { done, entry } = await this.#withKeysOfNow(place, () =>
        this.#put(name, snapshot, place, settles),
      );
      this.counts[done ? "committed" : "lost"]++;
      if (done) pending.delete(name);
      else {
        log.warn({ credential: name }, `${name}: another host has committed meanwhile`);
        if (entry) await adopt(this.#context, entry);
      }
      return done;
    } catch (error) {
      this.counts.failed++;
      log.warn({ credential: name }, `${name}: it is not in the store yet: ${messageOf(error)}`);
      return false;
    }
  }

  /**
   * Puts back what the store has lost of a record, with the intent of this host if it is open; `before` is what the store
   * has of it. Rejects with StoreDown.
   */
  async restore(name: string, version: number, before: StoreEntry | undefined): Promise<void> {
    const { connection, options, owner, host: holder, pending } = this.#context;
    const credential = owner?.find(name);
    const snapshot = credential?.snapshot();
    const live = credential?.live;
    if (!snapshot || !live?.shared) return;
    const { generation, epoch, group } = live.shared;
    const closes = await settles(this.#context, before, live);
    const isSpending = live.rotation?.intent !== undefined;
    const { done, entry } = await connection.ask((store, keys) => {
      const record = toShared(snapshot, connection.clock, options.time.bootId);
      const file = owner?.fileOf(name);
      const key = keyOf(keys, groupOf(live));
      const payload = sealPayload(key, name, { generation, record, file });
      const token = credential?.refreshToken;
      const hash = token === undefined ? undefined : tokenDigest(key, token);
      const intent =
        isSpending && hash !== undefined
          ? { holder: this.#context.holder, hash, ttlMs: INTENT_MS }
          : undefined;
      const place = { keyId: keys.keyId, version, epoch, holder, settles: closes };
      return store.restore(name, { ...place, payload, hash, intent });
    });
    if (!done || !entry) {
      if ((entry?.version ?? 0) >= version) return;
      await connection.close();
      throw new StoreDown("The store's keys are others by now");
    }
    pending.delete(name);
    const place = { version, generation, epoch: entry.epoch, ...(group && { group }) };
    live.shared = { ...place, ...(isSpending && { pending: true }) };
    await credential?.keep(false);
  }

  async #put(
    name: string,
    snapshot: CredentialRecord,
    { version, generation, epoch, group = DEFAULT_GROUP }: Place,
    settles: boolean,
  ): Promise<Outcome> {
    const { connection, options, owner, host: holder } = this.#context;
    const file = owner?.fileOf(name);
    return await connection.ask((store, keys) => {
      const record = toShared(snapshot, connection.clock, options.time.bootId);
      const payload = sealPayload(keyOf(keys, group), name, { generation, record, file });
      return store.commit(name, { keyId: keys.keyId, epoch, version, payload, holder, settles });
    });
  }

  /**
   * Commits that a record was removed; an open intent stays, for whoever adds it again. Resolves with false if another host
   * has changed the record meanwhile. Rejects with StoreDown: then it may be in the store all the same.
   */
  async sendRemoval(name: string, { version, epoch }: Omit<Place, "generation">): Promise<boolean> {
    const { connection, host: holder } = this.#context;
    const commit = { epoch, version, payload: undefined, holder, settles: false };
    const { done } = await this.#withKeysOfNow({ version, epoch }, () =>
      connection.ask((store, { keyId }) => store.commit(name, { ...commit, keyId })),
    );
    return done;
  }

  /** Commits once more if the store's keys may be others by now, and the record is what it was. */
  async #withKeysOfNow(
    { version, epoch }: Omit<Place, "generation">,
    commit: () => Promise<Outcome>,
  ): Promise<Outcome> {
    const outcome = await commit();
    if (outcome.done) return outcome;
    this.#context.connection.reopen();
    const { entry } = outcome;
    const isSame = entry?.version === version && entry.epoch === epoch;
    return isSame ? await commit() : outcome;
  }
}

/**
 * Returns a person's change of a record that also marks the record to be committed: what was obtained before is not used
 * any more. Sealed with the change, the mark outlasts a kill.
 */
export function changeToCommit(
  settings: CredentialSettings,
  group: string,
  change: (record: CredentialRecord) => void,
): (record: CredentialRecord) => void {
  return (record) => {
    const token = refreshTokenOf(settings, record);
    change(record);
    const { version = 0, epoch = 0, keepsToken = !isPersons(record) } = record.shared ?? {};
    const place = { version, epoch, generation: version + 1, ...inGroup(group) };
    const isKept = keepsToken && refreshTokenOf(settings, record) === token;
    record.shared = { ...place, pending: true, ...(isKept && { keepsToken: true }) };
  };
}

/** True if a person's change brings another refresh token. */
export function entersToken(
  settings: CredentialSettings,
  record: CredentialRecord | undefined,
  change: (record: CredentialRecord) => void,
): boolean {
  if (!record) return false;
  const draft = { ...record };
  change(draft);
  const token = refreshTokenOf(settings, draft);
  return token !== undefined && token !== refreshTokenOf(settings, record);
}
