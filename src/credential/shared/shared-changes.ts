/** What a person does to records that are not in memory. */

import { AuthdError, messageOf } from "../../errors.ts";
import type { StoreEntry } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { groupAfter, inGroup } from "./groups.ts";
import { notChanged, notNow } from "./not-now.ts";
import type { SharedRecords } from "./shared-records.ts";
import { StoreDown } from "./store-connection.ts";
import { takeFor } from "./take-for.ts";

/**
 * Replaces a record. `write` seals it, with its place in the store. Rejects with AuthdError if it can't be put
 * there, or the disk fails.
 */
export async function putShared(
  shared: SharedRecords,
  name: string,
  content: CredentialRecord,
  write: (content: CredentialRecord) => Promise<void>,
): Promise<void> {
  await shared.inPersonsTurn(name, async () => {
    const group = groupAfter(shared.liveRecord(name), content.boundValues);
    const taken = await takeFor(shared, name);
    const { epoch, version } = taken;
    await shared.openGroup(group);
    const place = { version, epoch, generation: version + 1, ...inGroup(group) };
    await write({ ...content, shared: { ...place, pending: true } });
    const settles = await shared.commits.settles(taken, content);
    shared.commits.later(name);
    if (await shared.commits.send(name, content, place, settles)) {
      await write({ ...content, shared: { ...place, version: version + 1 } });
    }
  });
}

/**
 * Removes a record: in the store, then by `remove` on this host. Rejects with AuthdError as `putShared`: if it is not removed in
 * the store, it stays here.
 */
export async function removeShared(
  shared: SharedRecords,
  name: string,
  remove: () => Promise<void>,
): Promise<void> {
  await shared.inPersonsTurn(name, async () => {
    const taken = await takeFor(shared, name);
    const isRemoved = await shared.commits
      .sendRemoval(name, taken)
      .catch((error) => wasRemoved(shared, taken, error));
    if (!isRemoved) {
      await shared.leases.release(name, taken.epoch, false);
      throw notNow(name, "another host, or new keys of the store, came in between");
    }
    shared.commits.forget(name);
    await remove();
  });
}

/** Resolves with true if the store has the removal to which it gave no answer. Rejects with AuthdError if that is not known. */
async function wasRemoved(
  shared: SharedRecords,
  { name, epoch, version }: StoreEntry,
  error: unknown,
): Promise<true> {
  if (error instanceof StoreDown && error.isRefusal) throw notChanged(name, error.message);
  const answer = await shared.connection.ask((store) => store.read(name)).catch(() => undefined);
  const { entry } = answer ?? {};
  if (entry?.epoch === epoch && entry.version === version + 1 && !entry.payload) return true;
  await shared.leases.release(name, epoch, false);
  throw notTold(name, messageOf(error));
}

function notTold(credential: string, why: string): AuthdError {
  const message = `${credential}: it is still on this host, and the store that this host shares did not tell whether it is removed there: ${why}. Try again`;
  return new AuthdError("too_busy", message, { credential, retryAfterMs: 1_000 });
}
