/** Takes over what other hosts have committed. */

import { isDeepStrictEqual } from "node:util";
import type { StoreEntry } from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { isAlone } from "./alone.ts";
import { inGroup, mayHave } from "./groups.ts";
import { hasOutcome } from "./open-intent.ts";
import { isOwn, isPersons } from "./own-record.ts";
import { contentOf } from "./record-content.ts";
import type { SharedContext } from "./shared-context.ts";
import type { SharedCredential } from "./shared-owner.ts";
import {
  fromShared,
  isSameChange,
  type SharedContent,
  withIntent,
  withOutcome,
} from "./shared-record.ts";

/** True if this host has the record in this version, or a later one. */
export function isKnown(context: SharedContext, { name, version }: StoreEntry): boolean {
  return version <= (context.liveRecord(name)?.shared?.version ?? 0);
}

/** Uses a record of the store from now on, if it is newer. Rejects with AuthdError. */
export async function adopt(context: SharedContext, entry: StoreEntry): Promise<void> {
  const { owner } = context;
  const { name, version, payload } = entry;
  if (!owner || owner.isLocked || version === 0) return;
  const credential = owner.find(name);
  if (credential && noteClash(context, credential, entry)) return;
  if (payload && !(await mayHave(context, entry))) return await giveUp(context, entry);
  if (credential && isKnown(context, entry)) return;
  if (!payload) return await removeHere(context, entry);
  await takeOver(context, credential, { ...entry, payload });
}

async function takeOver(
  context: SharedContext,
  credential: SharedCredential | undefined,
  entry: StoreEntry & { payload: Buffer },
): Promise<void> {
  const { name, version, epoch, payload } = entry;
  const { group, content } = await contentOf(context, name, payload);
  const { shared } = credential?.live ?? {};
  const isLater = shared !== undefined && shared.generation > content.generation;
  if (credential && isLater && context.pending.has(name)) {
    return await changeOnTop(context, credential, entry, content);
  }
  // A change of this host that the store never got may have the generation of the other host's.
  const isOther = content.generation !== (shared?.generation ?? 0) || !credential?.live;
  const isChange = isOther || isPersons(credential.live);
  const isLost = givesWay(context, entry, content);
  const record = recordOf(context, credential, content, isChange);
  record.shared = { version, generation: content.generation, epoch, ...inGroup(group) };
  keepOwnRequest(context, entry, record, credential);
  if (credential) await credential.takeShared(record, isChange);
  else await context.owner?.add(name, { ...content, record });
  if (isLost) credential?.changeLost(entry.committedBy);
  context.notices.wake(name);
}

/** True if what a person has changed on this host, and the store never got, is lost to what another host has committed. */
function givesWay(
  context: SharedContext,
  { name, version, committedBy }: StoreEntry,
  { generation, record }: SharedContent,
): boolean {
  const credential = context.owner?.find(name);
  const { live } = credential ?? {};
  if (!live?.shared || !isPersons(live) || !context.pending.has(name)) return false;
  // The answer to its commit did not come.
  if (committedBy === context.host) return false;
  if (live.shared.generation !== generation || version === generation) return true;
  return !isSameChange(live, record, credential?.rotates);
}

/** Returns true if the record stays as it is, as a person has entered other secrets on this host. */
function noteClash(
  { clashes }: SharedContext,
  credential: SharedCredential,
  { name, payload }: StoreEntry,
): boolean {
  const isClash = isAlone(credential.live) && payload !== undefined;
  if (isClash === clashes.has(name)) return isClash;
  if (isClash) clashes.add(name);
  else clashes.delete(name);
  credential.changed();
  return isClash;
}

function recordOf(
  { connection, options }: SharedContext,
  credential: SharedCredential | undefined,
  content: SharedContent,
  isChange: boolean,
): CredentialRecord {
  return fromShared(content.record, credential?.snapshot(), connection.clock, {
    bootId: options.time.bootId,
    random: () => options.clock.random(),
    isChange,
    keepsOthers: !isChange && credential?.keepsOneToken === false,
  });
}

/** A person's change of this host comes after what the store has; but the refresh token there may be a newer one. */
async function changeOnTop(
  context: SharedContext,
  credential: SharedCredential,
  { version }: StoreEntry,
  content: SharedContent,
): Promise<void> {
  const { live } = credential;
  const own = credential.snapshot();
  if (!live?.shared || !own) return;
  const shared = { ...live.shared, version, generation: version + 1 };
  if (!shared.keepsToken) {
    live.shared = shared;
    return;
  }
  withOutcome(own, recordOf(context, credential, content, true), credential.rotates);
  await credential.takeShared({ ...own, shared }, true);
}

/** Another host has changed the credential: what came of this host's own request, or may still come, is not lost by that. */
function keepOwnRequest(
  context: SharedContext,
  entry: StoreEntry,
  record: CredentialRecord,
  credential: SharedCredential | undefined,
): void {
  const own = credential?.snapshot();
  const isOfToken = own !== undefined && (!isPersons(own) || own.shared?.keepsToken === true);
  if (isOfToken && own.shared && record.shared && hasOutcome(context, entry)) {
    withOutcome(record, own, credential?.rotates);
    record.shared = { ...record.shared, epoch: own.shared.epoch, pending: true };
    return;
  }
  context.pending.delete(entry.name);
  const isOpen = entry.intent?.holder === context.holder || context.isSetBack;
  if (own && isOpen) withIntent(record, own, credential?.rotates);
}

/**
 * Uses a record of the store though this host has its version, or a later one, if that is of another past: since the
 * store was put back, a person has changed the credential, or others have gone on from what the store had. Resolves
 * with false if it is not. Rejects with AuthdError.
 */
export async function adoptOtherPast(context: SharedContext, entry: StoreEntry): Promise<boolean> {
  const { name, version, payload } = entry;
  const live = context.liveRecord(name);
  if (!payload || !live?.shared || isAlone(live) || !(await mayHave(context, entry))) return false;
  const { content } = await contentOf(context, name, payload);
  const isOther = !isDeepStrictEqual(content.record.secrets, live.secrets);
  const isSameVersion = version === live.shared.version && !context.pending.has(name);
  if (!isOther || !(content.generation > live.shared.generation || isSameVersion)) return false;
  live.shared = { ...live.shared, version: 0 };
  await adopt(context, entry);
  return true;
}

/** Another host has removed the record. */
async function removeHere(context: SharedContext, { name, version }: StoreEntry): Promise<void> {
  const { owner, connection } = context;
  const { live } = owner?.find(name) ?? {};
  if (!live) return;
  if (isAlone(live)) return;
  if (isOwn(live)) {
    // What this host puts there under that name comes after the removal.
    live.shared = { epoch: 0, ...live.shared, version, generation: version + 1 };
    return;
  }
  // A store that was emptied, or a host that was shut out, is no reason to remove anything.
  connection.reopen();
  await connection.use(() => {});
  await owner?.remove(name);
}

/** The record is in a group that this host does not serve any more. What can still be committed comes first. */
async function giveUp(
  { owner, pending }: SharedContext,
  { name, version }: StoreEntry,
): Promise<void> {
  const { live } = owner?.find(name) ?? {};
  if (!live?.shared || isOwn(live)) return;
  if (pending.has(name) && version <= live.shared.version) return;
  pending.delete(name);
  await owner?.remove(name);
}
