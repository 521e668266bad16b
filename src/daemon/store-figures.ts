import { omitUndefined } from "../base/omit-undefined.ts";
import type { StoreFigures } from "../observe/observe.ts";
import type { SharedStore } from "./shared-store.ts";

/** Returns what metrics tell of the store. */
export function storeFigures({ records, sync }: SharedStore): StoreFigures {
  const { connection, heldLeases, pending, commits } = records;
  return {
    isReached: connection.problem === undefined && sync.syncedAt !== undefined,
    ...omitUndefined({ refusal: connection.refusal }),
    syncedAt: sync.syncedAt,
    leases: heldLeases,
    pending: pending.size,
    commits: commits.counts,
  };
}
