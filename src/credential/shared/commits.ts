import { messageOf } from "../../errors.ts";
import { DEFAULT_GROUP, type Outcome, sealPayload, tokenDigest } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { adopt } from "./adopt.ts";
import { groupOf, inGroup, keyOf } from "./groups.ts";
import type { SharedContext } from "./shared-context.ts";
import { INTENT_MS } from "./shared-lease.ts";
import { toShared } from "./shared-record.ts";
import { StoreDown } from "./store-connection.ts";

type Place = Omit<NonNullable<CredentialRecord["shared"]>, "pending">;

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

  /** Marks a record that a person changed: what was obtained before is not used any more. */
  nextGeneration(name: string, group: string): void {
    const record = this.#context.liveRecord(name);
    if (!record) return;
    const { version = 0, epoch = 0 } = record.shared ?? {};
    const place = { version, epoch, generation: version + 1, ...inGroup(group) };
    record.shared = { ...place, pending: true };
    this.later(name);
  }

  /** Commits the record as it is in memory, under a lease. Never rejects: what can't be committed is later. */
  async commit(name: string, epoch: number): Promise<void> {
    this.later(name);
    const credential = this.#context.owner?.find(name);
    const snapshot = credential?.snapshot();
    const live = credential?.live;
    if (!credential || !snapshot || !live) return;
    const { version = 0, generation = 0 } = live.shared ?? {};
    const place = { version, generation, epoch, ...inGroup(groupOf(live)) };
    if (!(await this.send(name, snapshot, place))) return;
    live.shared = { ...place, version: version + 1 };
    await credential.keep(false);
  }

  /** Commits a record. Never rejects; false if it is not in the store: then it is compared, or sent later. */
  async send(name: string, snapshot: CredentialRecord, place: Place): Promise<boolean> {
    const { connection, options, pending } = this.#context;
    const { log } = options;
    try {
      let { done, entry } = await this.#put(name, snapshot, place);
      if (!done) {
        // The store's keys may be others by now, and the record what it was.
        connection.reopen();
        const isSame = entry?.version === place.version && entry.epoch === place.epoch;
        if (isSame) ({ done, entry } = await this.#put(name, snapshot, place));
      }
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

  /** Puts back what the store has lost of a record, with the intent of this host if it is open. Rejects with StoreDown. */
  async restore(name: string, version: number): Promise<void> {
    const { connection, options, owner, host: holder, pending } = this.#context;
    const credential = owner?.find(name);
    const snapshot = credential?.snapshot();
    const live = credential?.live;
    if (!snapshot || !live?.shared) return;
    const { generation, epoch, group } = live.shared;
    const isSpending = live.rotation?.intent !== undefined;
    const { done, entry } = await connection.ask((store, keys) => {
      const record = toShared(snapshot, connection.clock, options.time.bootId);
      const file = owner?.fileOf(name);
      const key = keyOf(keys, groupOf(live));
      const payload = sealPayload(key, name, { generation, record, file });
      const hash = tokenDigest(key, credential?.refreshToken ?? "");
      const intent = isSpending
        ? { holder: this.#context.holder, hash, ttlMs: INTENT_MS }
        : undefined;
      return store.restore(name, { keyId: keys.keyId, version, epoch, payload, holder, intent });
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
  ): Promise<Outcome> {
    const { connection, options, owner, host: holder } = this.#context;
    const file = owner?.fileOf(name);
    return await connection.ask((store, keys) => {
      const record = toShared(snapshot, connection.clock, options.time.bootId);
      const payload = sealPayload(keyOf(keys, group), name, { generation, record, file });
      return store.commit(name, { keyId: keys.keyId, epoch, version, payload, holder });
    });
  }

  /** Commits that a record was removed. Never rejects. */
  async sendRemoval(name: string, { version, epoch }: Omit<Place, "generation">): Promise<void> {
    const { connection, options, host: holder, pending } = this.#context;
    pending.delete(name);
    const commit = { epoch, version, payload: undefined, holder };
    await connection
      .ask((store, { keyId }) => store.commit(name, { ...commit, keyId }))
      .catch((error) => options.log.error({ credential: name }, messageOf(error)));
  }
}
