import { messageOf } from "../../errors.ts";
import { sealPayload } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { adopt } from "./adopt.ts";
import type { SharedContext } from "./shared-context.ts";
import { toShared } from "./shared-record.ts";

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
  nextGeneration(name: string): void {
    const record = this.#context.liveRecord(name);
    if (!record) return;
    const { version = 0, epoch = 0 } = record.shared ?? {};
    record.shared = { version, epoch, generation: version + 1, pending: true };
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
    if (!(await this.send(name, snapshot, { version, generation, epoch }))) return;
    live.shared = { version: version + 1, generation, epoch };
    await credential.keep(false);
  }

  /** Commits a record. Never rejects; false if it is not in the store: then it is compared, or sent later. */
  async send(
    name: string,
    snapshot: CredentialRecord,
    { version, generation, epoch }: Place,
  ): Promise<boolean> {
    const { connection, options, owner, host: holder, pending } = this.#context;
    const { log, time } = options;
    const file = owner?.fileOf(name);
    try {
      const { done, entry } = await connection.ask((store, key) => {
        const record = toShared(snapshot, connection.clock, time.bootId);
        const payload = sealPayload(key, name, { generation, record, file });
        return store.commit(name, { keyId: key.id, epoch, version, payload, holder });
      });
      this.counts[done ? "committed" : "lost"]++;
      if (done) pending.delete(name);
      else {
        log.warn({ credential: name }, `${name}: another host has committed meanwhile`);
        // Or it has sealed everything with another key.
        await connection.close();
        if (entry) await adopt(this.#context, entry);
      }
      return done;
    } catch (error) {
      this.counts.failed++;
      log.warn({ credential: name }, `${name}: it is not in the store yet: ${messageOf(error)}`);
      return false;
    }
  }

  /** Puts back what the store has lost of a record. Rejects with StoreDown. */
  async restore(name: string, version: number): Promise<void> {
    const { connection, options, owner, host: holder, pending } = this.#context;
    const credential = owner?.find(name);
    const snapshot = credential?.snapshot();
    const live = credential?.live;
    if (!snapshot || !live?.shared) return;
    const { generation, epoch } = live.shared;
    const { done, entry } = await connection.ask((store, key) => {
      const record = toShared(snapshot, connection.clock, options.time.bootId);
      const file = owner?.fileOf(name);
      const payload = sealPayload(key, name, { generation, record, file });
      return store.restore(name, { keyId: key.id, version, epoch, payload, holder });
    });
    if (!done || !entry) return;
    pending.delete(name);
    live.shared = { version, generation, epoch: entry.epoch };
    await credential?.keep(false);
  }

  /** Commits that a record was removed. Never rejects. */
  async sendRemoval(name: string, { version, epoch }: Omit<Place, "generation">): Promise<void> {
    const { connection, options, host: holder, pending } = this.#context;
    pending.delete(name);
    const commit = { epoch, version, payload: undefined, holder };
    await connection
      .ask((store, { id: keyId }) => store.commit(name, { ...commit, keyId }))
      .catch((error) => options.log.error({ credential: name }, messageOf(error)));
  }
}
