import { AuthdError } from "../../errors.ts";
import type { StoreEntry } from "../../vault/store/index.ts";
import { LEASE_MS } from "./shared-lease.ts";
import type { SharedRecords } from "./shared-records.ts";
import { StoreDown } from "./store-connection.ts";
import { StoreRefuses } from "./store-refuses.ts";

/** A person's change waits so long (ms) for another host that refreshes the credential. */
const PATIENCE_MS = 20_000;
const LOOK_AGAIN_MS = 500;

/**
 * Takes the lease of a record that a person replaces or removes, whatever its intent. Resolves with the record as it is
 * in the store. Rejects with AuthdError
 * `too_busy` if the store can't be reached, or another host keeps the lease, `invalid_params` if it refuses this host.
 */
export async function takeFor(shared: SharedRecords, name: string): Promise<StoreEntry> {
  const end = shared.nowBootMs + PATIENCE_MS;
  try {
    while (shared.nowBootMs < end) {
      const { entry } = await shared.connection.ask((store) => store.read(name));
      if (entry) await shared.assertMayHave(entry);
      const taken = await shared.leases.acquire(name, entry?.epoch ?? 0, LEASE_MS);
      if (taken.done && taken.entry) return taken.entry;
      await shared.noticeOf(name, LOOK_AGAIN_MS);
    }
  } catch (error) {
    if (!(error instanceof StoreDown)) throw error;
    if (error.isRefusal) throw notChanged(name, error.message);
    throw notNow(name, `the store that this host shares can't be reached: ${error.message}`);
  }
  throw notNow(name, "another host is refreshing it at the moment");
}

/** `why`: the refusal of the store. */
export function notChanged(credential: string, why: string): StoreRefuses {
  return new StoreRefuses("invalid_params", { credential, not: "nothing was changed" }, why);
}

export function notNow(credential: string, why: string): AuthdError {
  const message = `${credential}: nothing was changed, as ${why}`;
  return new AuthdError("too_busy", message, { credential, retryAfterMs: 1_000 });
}
