/** What closes an intent that is open in the store: nobody else may spend the token that it is about. */

import { type StoreEntry, tokenDigest } from "../../vault/store/index.ts";
import type { CredentialRecord, Rotation } from "../record.ts";
import { isPersons } from "./own-record.ts";
import { contentOf } from "./record-content.ts";
import type { SharedContext } from "./shared-context.ts";
import { StoreDown } from "./store-connection.ts";

/** True if this host has what came of the intent, and the store has not got it yet. An earlier authd wrote the name of the host alone. */
export function hasOutcome(context: SharedContext, { name, intent }: StoreEntry): boolean {
  const { host, holder, pending } = context;
  const { shared, rotation } = context.liveRecord(name) ?? {};
  if (!intent || !pending.has(name) || rotation?.intent) return false;
  const isOwn = intent.holder === holder || intent.holder === host;
  return isOwn && shared?.epoch === intent.epoch;
}

/**
 * True if this host opened the intent, and ended before it sealed that it would send the request: nothing was spent.
 * A record that was taken from the store since then, as that of before was lost, tells nothing of it.
 */
export function isUnsent(context: SharedContext, entry: StoreEntry | undefined): boolean {
  if (entry?.intent?.holder !== context.holder) return false;
  const record = context.liveRecord(entry.name);
  const { version = 0, epoch = 0 } = record?.shared ?? {};
  const isOfBefore = version === entry.version && epoch < entry.intent.epoch;
  return record !== undefined && isOfBefore && record.rotation?.intent === undefined;
}

/**
 * Seals in this host's record that its refresh token may have been spent, before an intent of another host gives way to one
 * of this host: with `isUnsent` alone, a later run would close both. Never rejects; false if the disk fails.
 */
export async function noteMaybeSpent({ owner }: SharedContext, name: string): Promise<boolean> {
  const credential = owner?.find(name);
  const { live } = credential ?? {};
  if (!credential || !live || live.rotation?.intent) return true;
  const rotation: Rotation = { worked: false, ...live.rotation, intent: {} };
  live.rotation = rotation;
  const isSealed = await credential.keep(true);
  if (!isSealed) delete rotation.intent;
  return isSealed;
}

/** True if `record`, once it is in the store, closes the intent of the record there. Rejects with StoreDown. */
export async function settles(
  context: SharedContext,
  entry: StoreEntry | undefined,
  record: CredentialRecord,
): Promise<boolean> {
  if (!entry?.intent) return true;
  if (isUnsent(context, entry) || hasOutcome(context, entry)) return true;
  return !(await hasSpent(context, entry, record.secrets));
}

/**
 * Returns what an earlier lease of this host has left to commit on top of `entry`, with the epoch of that lease; undefined
 * if nothing of it can be committed. Rejects with StoreDown.
 */
export async function leftOf(
  context: SharedContext,
  name: string,
  entry: StoreEntry | undefined,
): Promise<{ epoch: number; settles: boolean } | undefined> {
  const record = context.liveRecord(name);
  const { shared } = record ?? {};
  if (!record || !shared || shared.alone || !context.pending.has(name)) return undefined;
  // It would be refused: the store has gone on, and this host may not have what it has.
  if (shared.version !== (entry?.version ?? 0)) return undefined;
  // What a person has changed waits for no outcome, and closes no intent unless it is another refresh token.
  const isChange = isPersons(record);
  if (record.rotation?.intent && !isChange) return undefined;
  const isSettling = await settles(context, entry, record);
  return isSettling || isChange ? { epoch: shared.epoch, settles: isSettling } : undefined;
}

/** True if the refresh token of the intent is among the secrets. Rejects with StoreDown. */
async function hasSpent(
  context: SharedContext,
  entry: StoreEntry,
  secrets: CredentialRecord["secrets"],
): Promise<boolean> {
  const values = Object.values(secrets);
  const { hash } = entry.intent!;
  const isIt = await context.connection.use(({ keys }) =>
    [...keys.own.values()].some((key) => values.some((value) => tokenDigest(key, value) === hash)),
  );
  if (isIt) return true;
  // The digest may be one with the keys of before.
  const token = await tokenOf(context, entry);
  return token !== undefined && values.includes(token);
}

/** Returns the refresh token of a record in the store; undefined also if that can't be read. Rejects with StoreDown. */
async function tokenOf(
  context: SharedContext,
  { name, payload }: StoreEntry,
): Promise<string | undefined> {
  const rotates = context.owner?.find(name)?.rotates;
  if (!payload || rotates === undefined) return undefined;
  try {
    return (await contentOf(context, name, payload)).content.record.secrets[rotates];
  } catch (error) {
    if (error instanceof StoreDown) throw error;
    return undefined;
  }
}
