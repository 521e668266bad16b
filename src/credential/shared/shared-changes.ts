/** What a person does to records that are not in memory. */

import type { CredentialRecord } from "../record.ts";
import { groupAfter, inGroup } from "./groups.ts";
import type { SharedRecords } from "./shared-records.ts";
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
  await shared.inTurn(name, async () => {
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

/** Removes a record. `remove` deletes it on this host. Rejects with AuthdError as `putShared`. */
export async function removeShared(
  shared: SharedRecords,
  name: string,
  remove: () => Promise<void>,
): Promise<void> {
  await shared.inTurn(name, async () => {
    const place = await takeFor(shared, name);
    await remove();
    await shared.commits.sendRemoval(name, place);
  });
}
