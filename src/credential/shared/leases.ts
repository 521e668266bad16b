import { type Intend, type Outcome, type Timed, tokenDigest } from "../../vault/store/index.ts";
import { groupOf, keyOf } from "./groups.ts";
import type { SharedContext } from "./shared-context.ts";
import { StoreDown } from "./store-connection.ts";

/** Leases and intents of this host, as statements to the store. */
export class Leases {
  readonly #context: SharedContext;

  constructor(context: SharedContext) {
    this.#context = context;
  }

  /** Rejects with StoreDown. */
  async acquire(name: string, epoch: number, ttlMs: number): Promise<Timed<Outcome>> {
    const { holder, connection } = this.#context;
    this.#assertWhole();
    const outcome = await connection.ask((store) => store.acquire(name, { holder, epoch, ttlMs }));
    this.#assertWhole();
    return outcome;
  }

  /** Opens an intent to spend `token`, of which the store gets a digest. Rejects with StoreDown. */
  async intend(
    name: string,
    { token, ...intent }: Omit<Intend, "hash"> & { token: string },
  ): Promise<Timed<Outcome>> {
    const group = groupOf(this.#context.liveRecord(name));
    const outcome = await this.#context.connection.ask((store, keys) =>
      store.intend(name, { ...intent, hash: tokenDigest(keyOf(keys, group), token) }),
    );
    this.#assertWhole();
    return outcome;
  }

  /** Throws StoreDown while the store may lack what other hosts have. */
  #assertWhole(): void {
    if (!this.#context.isSetBack) return;
    throw new StoreDown(
      "The store was put back to an earlier moment, and not every host has told yet what it lacks",
    );
  }

  /** Never rejects: a lease that can't be renewed ends. */
  async renew(name: string, epoch: number, ttlMs: number): Promise<void> {
    await this.#context.connection.ask((store) => store.renew(name, epoch, ttlMs)).catch(() => {});
  }

  /** Ends another host's lease, for a change that makes what it does useless: it can commit nothing once the next one is taken. Rejects with StoreDown. */
  async take(name: string, epoch: number): Promise<void> {
    await this.#context.connection.ask((store) => store.release(name, epoch, false));
  }

  /** Gives a lease up; `settled` closes an open intent. Never rejects: a lease that can't be given up ends by itself. */
  async release(name: string, epoch: number, settled: boolean): Promise<void> {
    const { connection, owner, pending } = this.#context;
    await connection
      .ask((store) => store.release(name, epoch, settled))
      .catch(() => settled && pending.add(name));
    const record = this.#context.liveRecord(name);
    if (!record?.shared || record.rotation?.intent || pending.has(name)) return;
    record.shared = { ...record.shared, pending: false };
    await owner?.find(name)?.keep(false);
  }
}
