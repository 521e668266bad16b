/** Which hosts may open the records of which groups: each has the keys of its groups wrapped for itself. */

import { randomBytes } from "node:crypto";
import { AuthdError, messageOf } from "../../errors.ts";
import { decrypt, encrypt } from "../sealed-file.ts";
import type { ManagedVault } from "../vault.ts";
import { type FleetKey, fleetKeyOf, type HostKeys, hostKeys, newFleetKey } from "./fleet-key.ts";
import { keyFor } from "./key-rows.ts";
import type { Host, NewHost, Store } from "./store.ts";
import { StoreRefusal, StoreUnknown } from "./store-refusal.ts";
import {
  DEFAULT_GROUP,
  type GroupKeys,
  readWrapped,
  unwrapAll,
  wrapGroup,
  writeWrapped,
} from "./wrapped-keys.ts";

/** An invitation ends after this (ms). */
const INVITE_MS = 600_000;
const INVITE = /^authd-invite-1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/;
const PURPOSE = "authd fleet invitation";
const KEY_BYTES = 32;
/** A change of the keys is tried so often: other hosts may change them meanwhile. */
const TRIES = 10;

/** Whose key a host has: its vault, or a file that several hosts have (host-key.ts). */
export type KeyOwner = Pick<ManagedVault<object>, "derive" | "locked">;

/** The keys that a host has, and whose keys there are. */
export interface FleetKeys {
  /** What the store calls the keys of now. */
  readonly keyId: string | undefined;
  /** Of the groups that this host was let into. */
  readonly own: GroupKeys;
  /** The groups that any host says it has; the id of the key is missing for a host from before there were groups. */
  readonly groups: readonly { group: string; id?: string }[];
}

/** The key of a host is made from its vault's, and needs no place of its own. */
function keysOf(vault: KeyOwner): HostKeys {
  const derived = vault.derive("authd fleet host");
  if (!derived) throw new AuthdError("vault_locked", vault.locked ?? "The vault is locked.");
  const keys = hostKeys(derived.key);
  derived.key.fill(0);
  return keys;
}

/** Returns this host with the keys wrapped for it. */
export function memberWith(host: string, vault: KeyOwner, keys: GroupKeys): NewHost {
  const { publicKey } = keysOf(vault);
  const wrapped = [...keys].map(([group, key]) => wrapGroup({ name: host, publicKey }, group, key));
  return { name: host, publicKey, wrappedKey: writeWrapped(wrapped) };
}

/**
 * Returns the keys of the records; a host that the store does not know is let in by a key that it has of it. Rejects with StoreRefusal if this
 * host is not one of the store's. `mayEnter` rejects if it should not be let in.
 */
export async function fleetKeys(
  store: Store,
  host: string,
  vault: KeyOwner,
  mayEnter: () => Promise<void> = async () => {},
): Promise<FleetKeys> {
  const { hosts, keyId } = await store.hosts();
  const row = hosts.find(({ name }) => name === host);
  if (!row) {
    const mine = keysOf(vault);
    const key = keyFor(hosts, mine.publicKey);
    if (!key) throw unknown(host, hosts.length === 0);
    await mayEnter();
    await letIn(store, { host, vault }, unwrapAll(mine, key));
    return await fleetKeys(store, host, vault);
  }
  const own = unwrapAll(keysOf(vault), row);
  // Of before there were groups: from now on it proves that it was let in.
  const isOld = readWrapped(row).some(({ proof }) => proof === undefined);
  if (isOld) await store.putHost(memberWith(host, vault, own), { from: keyId, to: keyId });
  return { keyId, own, groups: groupsOf(hosts, own) };
}

function unknown(host: string, isEmpty: boolean): StoreUnknown {
  const next = isEmpty
    ? "it has none. If it is the right one, its first host moves its credentials there (authd vault move)"
    : "let it join (authd fleet join)";
  return new StoreUnknown(`The store does not know this host, ${host}: ${next}`);
}

function groupsOf(hosts: readonly Host[], own: GroupKeys): FleetKeys["groups"] {
  const mine = [...own].map(([group, { id }]) => ({ group, id }));
  return [
    ...mine,
    ...hosts.flatMap(readWrapped).map(({ group, id }) => ({ group, ...(id && { id }) })),
  ];
}

/** Makes the key of a group that no host has. Resolves with false if the keys are others by now: look again. */
export async function addGroup(
  store: Store,
  { host, vault }: { host: string; vault: KeyOwner },
  { keyId, own }: FleetKeys,
  group: string,
): Promise<boolean> {
  const keys = new Map([...own, [group, newFleetKey()]]);
  return await store.putHost(memberWith(host, vault, keys), { from: keyId, to: newKeyId() });
}

export const newKeyId = () => randomBytes(8).toString("hex");

const LEAVING = "leaving-";

/** The id of the keys while the last host takes its credentials back: nobody is let in. */
export const leavingKeyId = () => `${LEAVING}${newKeyId()}`;

export const isLeaving = (keyId: string | undefined) => keyId?.startsWith(LEAVING) === true;

/** Returns one line that lets one more host into these groups, once, for ten minutes. It is a secret. */
export async function inviteHost(store: Store, keys: GroupKeys): Promise<string> {
  const id = randomBytes(8).toString("hex");
  const secret = randomBytes(32);
  await store.invite(id, encrypt(secret, PURPOSE, packed(keys)), INVITE_MS);
  return `authd-invite-1.${id}.${secret.toString("base64url")}`;
}

/** The key of the default group alone stands as it is. */
function packed(keys: GroupKeys): Buffer {
  const only = keys.size === 1 ? keys.get(DEFAULT_GROUP) : undefined;
  if (only) return only.key;
  const plain = [...keys].map(([group, { key }]) => [group, key.toString("base64")]);
  return Buffer.from(JSON.stringify(plain));
}

function unpacked(plain: Buffer): Map<string, FleetKey> {
  if (plain.length === KEY_BYTES) return new Map([[DEFAULT_GROUP, fleetKeyOf(plain)]]);
  const pairs = JSON.parse(plain.toString()) as [string, string][];
  return new Map(pairs.map(([group, key]) => [group, fleetKeyOf(Buffer.from(key, "base64"))]));
}

/**
 * Takes an invitation; a host of the store gets further groups by it. Returns all groups that the host has then.
 * Rejects with AuthdError `invalid_params` if it is none, was taken, or has ended.
 */
export async function joinFleet(
  store: Store,
  { host, vault, isMember }: { host: string; vault: KeyOwner; isMember: boolean },
  invitation: string,
): Promise<string[]> {
  const [, id, secret] = INVITE.exec(invitation.trim()) ?? [];
  if (id === undefined || secret === undefined) throw unfit("This is no invitation.");
  const { hosts, keyId } = await store.hosts();
  if (isLeaving(keyId)) throw left();
  if (!isMember && hosts.some(({ name }) => name === host)) {
    throw unfit(
      `The store has a host ${host} already: remove that one first (authd fleet remove ${host}), or give this one another name (host of [store] in config.toml, or AUTHD_STORE_HOST).`,
    );
  }
  const wrapped = await store.takeInvite(id);
  const plain = wrapped && decrypt(Buffer.from(secret, "base64url"), PURPOSE, wrapped);
  if (!plain) throw ended();
  return await letIn(store, { host, vault }, unpacked(plain)).catch((error) => {
    const text = `${messageOf(error)} The invitation is spent: a host of the store makes another one (authd fleet invite)`;
    const isRefusal = error instanceof StoreRefusal;
    if (error.reason === "invalid_params" && !isRefusal) throw error;
    throw new AuthdError(isRefusal ? "invalid_params" : "internal", text);
  });
}

/** Gives a host these keys, beside those that it has. */
export async function letIn(
  store: Store,
  { host, vault }: { host: string; vault: KeyOwner },
  given: GroupKeys,
): Promise<string[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { hosts, keyId } = await store.hosts();
    if (isLeaving(keyId)) throw left();
    if (!isCurrent(given, hosts, keyId)) throw ended();
    const row = hosts.find(({ name }) => name === host);
    const all = new Map([...(row ? unwrapAll(keysOf(vault), row) : []), ...given]);
    const member = memberWith(host, vault, all);
    if (await store.putHost(member, { from: keyId, to: keyId })) return [...all.keys()];
  }
  throw ended();
}

/** Returns the ids of the keys that hosts say they have. */
export function keyIdsOf(
  hosts: readonly Host[],
  keyId: string | undefined,
): Set<string | undefined> {
  return new Set(hosts.flatMap(readWrapped).map(({ id }) => id ?? keyId));
}

/** False if everything was sealed with other keys meanwhile. */
function isCurrent(given: GroupKeys, hosts: readonly Host[], keyId: string | undefined): boolean {
  const known = keyIdsOf(hosts, keyId);
  return [...given.values()].every(({ id }) => known.has(id));
}

function left(): AuthdError {
  return unfit("The last host of the store is taking its credentials back (authd vault move).");
}

function ended(): AuthdError {
  return unfit("The invitation was used, or has ended: it is good for one host and ten minutes.");
}

function unfit(why: string): AuthdError {
  return new AuthdError("invalid_params", `${why} Nothing was changed`);
}
