import type { StoreEntry, Timed } from "../../vault/store/index.ts";
import { inTheWay, notChanged, notNow } from "./not-now.ts";
import { LEASE_MS } from "./shared-lease.ts";
import type { SharedRecords } from "./shared-records.ts";
import { StoreDown } from "./store-connection.ts";

/** A person's change waits so long (ms) for another host that refreshes the credential. */
const PATIENCE_MS = 20_000;
const LOOK_AGAIN_MS = 500;

/**
 * Takes the lease of a record that a person replaces or removes, whatever its intent. Resolves with the record as it is
 * in the store. Rejects with AuthdError `too_busy` if the store can't be reached, or another host keeps the lease, and
 * `invalid_params` if the store refuses this host.
 */
export async function takeFor(shared: SharedRecords, name: string): Promise<StoreEntry> {
  const end = shared.nowBootMs + PATIENCE_MS;
  try {
    for (;;) {
      const { entry, nowMs } = await shared.connection.ask((store) => store.read(name));
      if (entry) await shared.assertMayHave(entry);
      const taken = await shared.leases.acquire(name, entry?.epoch ?? 0, LEASE_MS);
      if (taken.done && taken.entry) return taken.entry;
      if (shared.nowBootMs >= end && entry) throw inTheWay(entry, foreignMs(shared, entry, nowMs));
      await shared.noticeOf(name, LOOK_AGAIN_MS);
    }
  } catch (error) {
    if (!(error instanceof StoreDown)) throw error;
    if (error.isRefusal) throw notChanged(name, error.message);
    throw notNow(name, `the store that this host shares can't be reached: ${error.message}`);
  }
}

/**
 * Resolves when no other host has the lease of a record, or that can't be told. Outside of any turn: others need not wait for it.
 * Rejects with AuthdError `too_busy` if another host keeps the lease.
 */
export async function whenFree(shared: SharedRecords, name: string): Promise<void> {
  const end = shared.nowBootMs + PATIENCE_MS;
  for (;;) {
    const read = shared.connection.ask((store) => store.read(name));
    const answer: Timed<{ entry: StoreEntry | undefined }> | undefined = await read.catch(
      () => undefined,
    );
    const { entry } = answer ?? {};
    const ms = answer && entry ? foreignMs(shared, entry, answer.nowMs) : 0;
    if (ms === 0 || !entry) return;
    if (shared.nowBootMs >= end) throw inTheWay(entry, ms);
    const isHalted = await shared.noticeOf(name, Math.min(ms, LOOK_AGAIN_MS)).then(
      () => false,
      () => true,
    );
    if (isHalted) return;
  }
}

/** Returns how long (ms) the lease of another host lasts at most; 0: none has it. */
function foreignMs({ holder }: SharedRecords, { lease }: StoreEntry, nowMs: number): number {
  return lease && lease.holder !== holder ? Math.max(0, lease.untilMs - nowMs) : 0;
}
