/** Which group a record is in, and which records this host may have. */

import { AuthdError } from "../../errors.ts";
import {
  DEFAULT_GROUP,
  type FleetKey,
  type FleetKeys,
  payloadKeyId,
  type StoreEntry,
} from "../../vault/store/index.ts";
import type { CredentialRecord } from "../record.ts";
import { groupMistake } from "./group-mistake.ts";
import { isOwn } from "./own-record.ts";
import type { SharedContext } from "./shared-context.ts";

/** Returns the group in which a record is in the store, or is to be put there. */
export function groupOf(record: CredentialRecord | undefined): string {
  return record?.shared?.group ?? DEFAULT_GROUP;
}

/** Returns the group that a person has agreed to, by what the credential file says. */
function agreedGroup(boundValues: CredentialRecord["boundValues"]): string {
  const { group } = boundValues ?? {};
  return typeof group === "string" ? group : DEFAULT_GROUP;
}

/** As a member of a record's place in the store: the default group is absent there. */
export const inGroup = (group: string) => (group === DEFAULT_GROUP ? {} : { group });

/** Returns the group after a person's change: another one only if the change was one of the group. */
export function groupAfter(
  before: CredentialRecord | undefined,
  boundValues: CredentialRecord["boundValues"],
): string {
  const agreed = agreedGroup(boundValues);
  return before?.shared && agreed === agreedGroup(before.boundValues) ? groupOf(before) : agreed;
}

/** True if this host serves the group: it was let into it, and its settings don't leave it out. */
function serves({ options }: SharedContext, { own }: FleetKeys, group: string): boolean {
  return own.has(group) && (options.groups?.includes(group) ?? true);
}

/**
 * True if this host serves a record in the group. What is here stays while the settings name a group that this host was
 * not let into, as they are a mistake then; nothing else comes.
 */
export function servesRecord(
  context: SharedContext,
  keys: FleetKeys,
  { group, name }: { group: string; name: string },
): boolean {
  if (serves(context, keys, group)) return true;
  const live = context.liveRecord(name);
  const isHere = live !== undefined && !isOwn(live);
  return isHere && keys.own.has(group) && groupMistake(context.options.groups, keys) !== undefined;
}

/** Returns the group of a record in the store; undefined if this host has no key of it. */
export function groupIn({ own }: FleetKeys, payload: Buffer): string | undefined {
  const id = payloadKeyId(payload);
  return [...own].find(([, key]) => key.id === id)?.[0];
}

/** False if the record is in a group that this host does not serve. Rejects with what the store does. */
export async function mayHave(
  context: SharedContext,
  { name, payload }: StoreEntry,
): Promise<boolean> {
  if (!payload) return true;
  return await withKeysFor(context, payload, (keys) => {
    // A key that nobody has: the record is damaged.
    if (!isOfAny(keys, payload)) return true;
    const group = groupIn(keys, payload);
    return group !== undefined && servesRecord(context, keys, { group, name });
  });
}

/** Calls `work` with the keys of this host; if a record is sealed with none that any host has, with those of now. */
export async function withKeysFor<T>(
  { connection }: SharedContext,
  payload: Buffer,
  work: (keys: FleetKeys) => T,
): Promise<T> {
  const known = await connection.use(({ keys }) =>
    isOfAny(keys, payload) ? { result: work(keys) } : undefined,
  );
  if (known) return known.result;
  connection.reopen();
  return await connection.use(({ keys }) => work(keys));
}

/** True if any host says that it has the key of a record. */
function isOfAny({ groups }: FleetKeys, payload: Buffer): boolean {
  const id = payloadKeyId(payload);
  return groups.some((known) => known.id === id);
}

/** Throws AuthdError `internal` if this host has no key of the group. */
export function keyOf({ own }: FleetKeys, group: string): FleetKey {
  const key = own.get(group);
  if (key) return key;
  throw new AuthdError("internal", `This host has no key of the group ${group}`);
}

/** Throws AuthdError `unknown_credential` for a record of the store that this host may not have. */
export async function assertMayHave(context: SharedContext, entry: StoreEntry): Promise<void> {
  if (await mayHave(context, entry)) return;
  const { name: credential } = entry;
  const text = `${credential}: the store has it in a group that this host does not serve. Nothing was changed`;
  throw new AuthdError("unknown_credential", text, { credential });
}

/**
 * Has the group's key made if no host has it. Rejects with AuthdError `invalid_params` if this host may not put a
 * record into the group.
 */
export async function openGroup(context: SharedContext, group: string): Promise<void> {
  const { connection } = context;
  for (;;) {
    const isServed = await connection.use(async ({ keys, addGroup }) => {
      if (serves(context, keys, group)) return true;
      if (context.options.groups?.includes(group) === false) throw leftOut(group);
      if (keys.groups.some((known) => known.group === group)) throw ofOthers(group);
      await addGroup(group);
      return false;
    });
    if (isServed) return;
    connection.reopen();
  }
}

function leftOut(group: string): AuthdError {
  const text = `config.toml leaves the group ${group} out (groups in [store]). Nothing was changed`;
  return new AuthdError("invalid_params", text);
}

function ofOthers(group: string): AuthdError {
  const text = `Other hosts have the group ${group}, and this one was not let into it: authd fleet invite --group ${group} there. Nothing was changed`;
  return new AuthdError("invalid_params", text);
}
