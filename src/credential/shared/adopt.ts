/** Takes over what other hosts have committed. */

import { openPayload, type StoreEntry } from "../../vault/store/index.ts";
import type { SharedContext } from "./shared-context.ts";
import { fromShared, type SharedContent, sharedContent } from "./shared-record.ts";

/** True if this host has the record in this version, or a later one. */
export function isKnown(context: SharedContext, { name, version }: StoreEntry): boolean {
  return version <= (context.liveRecord(name)?.shared?.version ?? 0);
}

/** Uses a record of the store from now on, if it is newer. Rejects with AuthdError. */
export async function adopt(context: SharedContext, entry: StoreEntry): Promise<void> {
  const { owner, connection, options } = context;
  const { name, version, epoch, payload } = entry;
  if (!owner || owner.isLocked || version === 0) return;
  const credential = owner.find(name);
  if (credential && isKnown(context, entry)) return;
  if (!payload) {
    // A store that was emptied, or a host that was shut out, is no reason to remove anything.
    await connection.close();
    await connection.opened();
    if (credential) await owner.remove(name);
    return;
  }
  const content = sharedContent.parse(await open(context, name, payload)) as SharedContent;
  const { generation } = content;
  const live = credential?.live;
  const isChange = generation !== (live?.shared?.generation ?? 0) || !live;
  const record = fromShared(content.record, credential?.snapshot(), connection.clock, {
    bootId: options.time.bootId,
    random: () => options.clock.random(),
    isChange,
    keepsOthers: !isChange && credential?.keepsOneToken === false,
  });
  record.shared = { version, generation, epoch };
  context.pending.delete(name);
  if (credential) await credential.takeShared(record, isChange);
  else await owner.add(name, { ...content, record });
  context.notices.wake(name);
}

/** Opens a payload; if it is sealed with another key, once more with the one of now. */
async function open({ connection }: SharedContext, name: string, payload: Buffer) {
  const { key } = await connection.opened();
  try {
    return openPayload(key, name, payload);
  } catch {
    await connection.close();
    return openPayload((await connection.opened()).key, name, payload);
  }
}
