import type { Lease, StoreEntry } from "./store.ts";

/** Returns the entry of a record of which nothing was committed yet. */
export function newEntry(name: string): StoreEntry {
  const nothing = { payload: undefined, lease: undefined, intent: undefined };
  return { name, epoch: 0, version: 0, ...nothing, committedBy: undefined, committedMs: undefined };
}

/** True if `holder` may take the lease: nobody has one, it has ended, or it is left of the holder's last run. */
export function isFree({ lease }: StoreEntry, holder: string, nowMs: number): boolean {
  return lease === undefined || lease.untilMs <= nowMs || lease.holder === holder;
}

/** Returns the lease with an end that is no earlier than `untilMs`. */
export function leaseUntil(lease: Lease, untilMs: number): Lease {
  return { ...lease, untilMs: Math.max(lease.untilMs, untilMs) };
}
