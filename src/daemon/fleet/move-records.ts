/** Moves all records of the first host into a store, and those of the last host out of it. */

import { setTimeout as sleep } from "node:timers/promises";
import { configDir, credentialFileAsItIs } from "../../config/config.ts";
import { isAlone } from "../../credential/shared/alone.ts";
import { groupAfter, inGroup } from "../../credential/shared/groups.ts";
import { isOutside } from "../../credential/shared/own-record.ts";
import { toShared } from "../../credential/shared/shared-record.ts";
import { StoreClock } from "../../credential/shared/store-clock.ts";
import { AuthdError } from "../../errors.ts";
import {
  DEFAULT_GROUP,
  fleetKeys,
  holderOf,
  hostOfHolder,
  isKey,
  isLeaving,
  type KeyOwner,
  leavingKeyId,
  memberWith,
  newFleetKey,
  newKeyId,
  type Store,
  type StoreEntry,
  sealPayload,
} from "../../vault/store/index.ts";
import type { Core } from "../core.ts";
import type { Foundation } from "../foundation.ts";
import { vaultInstance } from "./instance.ts";

/** A move waits so long (ms) for requests that spend a refresh token. */
const PATIENCE_MS = 15_000;

/**
 * Puts all records of this host into a store without hosts, or into one whose only host it is, as an earlier move
 * was cut off. `attach` is called once they are there, before any token is refreshed. Returns their number.
 */
export async function moveIn(
  foundation: Foundation,
  core: Core,
  store: Store,
  {
    host,
    groups,
    owner,
  }: { host: string; groups?: readonly string[] | undefined; owner: KeyOwner },
  attach: () => Promise<void>,
): Promise<number> {
  const { time, env } = foundation;
  const { registry } = core;
  const go = registry.hold(moving());
  try {
    await whenNothingIsSpent(core);
    assertAllAnswered(core);
    const clock = new StoreClock(time);
    const from = await idOfOnlyHost(store, host, owner);
    const { keys, keyFor } = await newGroupKeys(groups);
    const { entries } = await clock.ask(() => store.changesSince(-1));
    if (!isLeaving(from)) assertNothingOfOthers(core, entries, holderOf(host, vaultInstance(env)));
    const before = new Map(entries.map((entry) => [entry.name, entry]));
    const records = [];
    for (const credential of registry.all()) {
      const { name } = credential;
      const { live } = credential.shared;
      const snapshot = credential.shared.snapshot();
      if (!live || !snapshot) throw unreadable(name);
      const group = groupAfter(undefined, live.boundValues);
      const key = keyFor(name, group);
      const { version = 0, epoch = 0 } = before.get(name) ?? {};
      before.delete(name);
      const content = {
        generation: version + 1,
        record: toShared(snapshot, clock, time.bootId),
        file: credentialFileAsItIs(configDir(env), name),
      };
      const place = { version: version + 1, epoch, generation: version + 1 };
      live.shared = { ...place, ...inGroup(group) };
      if (!(await credential.shared.keep(true))) throw unreadable(name);
      records.push({ name, version, payload: sealPayload(key, name, content) });
    }
    const removed = [...before.values()].map(({ name, version }) => ({
      name,
      version,
      payload: undefined,
    }));
    const replacement = { holder: host, from, to: newKeyId() };
    const members = [memberWith(host, owner, keys)];
    const all = [...records, ...removed];
    try {
      if (!(await store.replaceAll({ ...replacement, hosts: members, records: all })))
        throw overtaken();
    } catch (error) {
      await unmark(core);
      throw error;
    }
    await attach();
    return records.length;
  } finally {
    go();
    registry.tick();
  }
}

interface Leaving {
  store: Store;
  /** This host, as the store has it. */
  member: Parameters<Store["putHost"]>[0];
  /** Id of the store's keys. */
  from: string | undefined;
}

/**
 * Empties a store whose only host this is. While no token is refreshed, and nobody is let in, `forget` takes the store
 * out of the settings first, and returns what puts it back. Returns the number of records.
 */
export async function moveOut(
  core: Core,
  { store, member, from }: Leaving,
  forget: () => Promise<() => Promise<void>>,
): Promise<number> {
  const { registry } = core;
  const { name: holder } = member;
  await assertOnlyHost(store, holder);
  const go = registry.hold(moving());
  try {
    await whenNothingIsSpent(core);
    const leaving = leavingKeyId();
    // Whoever has an invitation would share what this host has for itself again.
    if (!(await store.putHost(member, { from, to: leaving }))) throw overtaken();
    try {
      return await empty(core, { store, holder, from: leaving }, forget);
    } catch (error) {
      await store.putHost(member, { from: leaving, to: newKeyId() }).catch(() => false);
      throw error;
    }
  } finally {
    go();
    registry.tick();
  }
}

async function empty(
  core: Core,
  { store, holder, from }: { store: Store; holder: string; from: string },
  forget: () => Promise<() => Promise<void>>,
): Promise<number> {
  await assertOnlyHost(store, holder);
  const { entries } = await store.changesSince(-1);
  const behind = entries.find(({ name, version, payload }) => {
    const here = core.registry.findShared(name)?.live?.shared?.version ?? 0;
    return payload !== undefined && here < version;
  });
  if (behind) {
    const { live } = core.registry.findShared(behind.name) ?? {};
    throw isAlone(live) ? clashing(behind.name) : notHere(behind.name);
  }
  await assertNothingOpen(core, entries);
  const gone = entries.map(({ name, version }) => ({ name, version, payload: undefined }));
  const putBack = await forget();
  const emptied = { holder, from, to: undefined, hosts: [], records: gone };
  try {
    if (!(await store.replaceAll(emptied))) throw overtaken();
  } catch (error) {
    await putBack();
    throw error;
  }
  await unmark(core);
  return entries.filter(({ payload }) => payload !== undefined).length;
}

/** Throws AuthdError `login_required` for a refresh token that was sent without an answer: other hosts would send it again. */
function assertAllAnswered({ registry }: Core): void {
  const open = registry.all().find(({ shared }) => shared.live?.rotation?.intent !== undefined);
  if (open) throw unanswered(open.name);
}

/**
 * Throws AuthdError `invalid_params` if the store has an intent of another host, or what one did with a record that this host
 * has not got: it shared the store. So it is where the last host took the credentials back, and refreshes them by now.
 */
function assertNothingOfOthers(
  { registry }: Core,
  entries: readonly StoreEntry[],
  holder: string,
): void {
  const host = hostOfHolder(holder);
  const others = entries.find(({ name, payload, intent, version, committedBy }) => {
    const { live } = registry.findShared(name) ?? {};
    // What was removed there is no matter to a record that never was.
    if (!payload && (!live || isOutside(live))) return false;
    if (payload && intent && intent.holder !== holder && intent.holder !== host) return true;
    return (live?.shared?.version ?? 0) < version && committedBy !== host;
  });
  if (others) throw ofOthers(others.name);
}

/** Rejects with AuthdError `login_required` for a refresh token that a host may have spent: here it would be sent again. */
async function assertNothingOpen({ registry, shared }: Core, entries: readonly StoreEntry[]) {
  for (const entry of entries) {
    const { live } = registry.findShared(entry.name) ?? {};
    if (!entry.payload || !entry.intent || !live) continue;
    if (await shared?.records.commits.settles(entry, live)) continue;
    throw maybeSpent(entry.name, hostOfHolder(entry.intent.holder));
  }
}

/** Empties the store of a move out that was cut off, if it was not emptied: what this host has is newer. */
export async function finishMoveOut(
  core: Core,
  { store, holder, owner }: { store: Store; holder: string; owner: () => KeyOwner },
): Promise<void> {
  const hosts = await assertOnlyHost(store, holder);
  if (hosts.length > 0) {
    const from = (await fleetKeys(store, holder, owner())).keyId;
    const { entries } = await store.changesSince(-1);
    const gone = entries.map(({ name, version }) => ({ name, version, payload: undefined }));
    const emptied = { holder, from, to: undefined, hosts: [], records: gone };
    if (!(await store.replaceAll(emptied))) throw overtaken();
  }
  await unmark(core);
}

/** Records have no place in a store any more. */
async function unmark({ registry }: Core): Promise<void> {
  for (const { shared } of registry.all()) {
    if (shared.live?.shared) delete shared.live.shared;
    await shared.keep(true);
  }
}

async function assertOnlyHost(store: Store, holder: string) {
  const { hosts } = await store.hosts();
  const others = hosts.map(({ name }) => name).filter((name) => name !== holder);
  if (others.length === 0) return hosts;
  const hasKey = hosts.some(isKey);
  const byKey = hasKey
    ? ". Hosts that have a key can't remove it: invite one without it (authd fleet invite), remove the key there, and move there"
    : "";
  throw new AuthdError(
    "invalid_params",
    `Other hosts share the store (${others.join(", ")}), and a refresh token can't be used by two that do not. Remove them first (authd fleet remove HOST)${byKey}. Nothing was changed`,
  );
}

/** Returns the id of the store's keys, if there is one. Rejects with AuthdError if other hosts have them. */
async function idOfOnlyHost(
  store: Store,
  host: string,
  owner: KeyOwner,
): Promise<string | undefined> {
  const { hosts, keyId } = await store.hosts();
  if (hosts.length === 0) return keyId;
  const names = hosts.map(({ name }) => name);
  if (names.length === 1 && names[0] === host) return (await fleetKeys(store, host, owner)).keyId;
  throw new AuthdError(
    "invalid_params",
    `The store has hosts already (${names.join(", ")}): let one of them invite this one (authd fleet invite), and join (authd fleet join). Nothing was changed`,
  );
}

/** Makes a key for each group as it is asked for: of the default group first. */
async function newGroupKeys(allowed: readonly string[] | undefined) {
  const keys = new Map([[DEFAULT_GROUP, newFleetKey()]]);
  const keyFor = (name: string, group: string) => {
    if (allowed?.includes(group) === false) throw notServed(name, group);
    const key = keys.get(group) ?? newFleetKey();
    keys.set(group, key);
    return key;
  };
  return { keys, keyFor };
}

async function whenNothingIsSpent({ registry }: Core): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (registry.pendingRefreshes > 0 && performance.now() < end) await sleep(20);
  if (registry.pendingRefreshes > 0) throw busy();
}

function moving(): AuthdError {
  const message = "The credentials are being moved into a store, or out of it; try again";
  return new AuthdError("too_busy", message, { retryAfterMs: 1_000 });
}

/** Another host has committed, or changed the keys. */
export function overtaken(): AuthdError {
  const message =
    "Other hosts have refreshed tokens, or changed the keys, meanwhile. Nothing was changed; try again";
  return new AuthdError("too_busy", message, { retryAfterMs: 1_000 });
}

function busy(): AuthdError {
  const message = "Tokens are being refreshed at the moment. Nothing was changed; try again";
  return new AuthdError("too_busy", message, { retryAfterMs: 1_000 });
}

function unreadable(credential: string): AuthdError {
  const message = `${credential}: its record can't be read or sealed, so that not all credentials can be moved. Mend or remove it first. Nothing was changed`;
  return new AuthdError("credential_damaged", message, { credential });
}

function clashing(credential: string): AuthdError {
  const message = `The store has ${credential}, and this host has secrets of its own for it: remove it here first (authd remove ${credential}). Nothing was changed`;
  return new AuthdError("invalid_params", message, { credential });
}

function notHere(credential: string): AuthdError {
  const message = `${credential}: this host has not got its newest version from the store. Nothing was changed; try again`;
  return new AuthdError("too_busy", message, { credential, retryAfterMs: 1_000 });
}

function ofOthers(credential: string): AuthdError {
  const message = `${credential}: the store has what another host did with it, and this host has not got that. If it is one of the store's hosts, name the store in [store] of config.toml and start authd again instead of a move; else remove it here (authd remove ${credential}), or enter other secrets while config.toml has no [store] (authd set ${credential}). Nothing was changed`;
  return new AuthdError("invalid_params", message, { credential });
}

function maybeSpent(credential: string, host: string): AuthdError {
  const message = `${credential}: the host ${host} was about to spend its refresh token, and never told what came of it. First sign in or enter another one (authd set ${credential}), or try this one once (authd refresh ${credential}). Nothing was changed`;
  return new AuthdError("login_required", message, { credential });
}

function unanswered(credential: string): AuthdError {
  const message = `${credential}: its refresh token was sent, and no answer came, so that it may be spent. First refresh it (authd refresh ${credential}), or enter another one (authd set ${credential}). Nothing was changed`;
  return new AuthdError("login_required", message, { credential });
}

function notServed(credential: string, group: string): AuthdError {
  const message = `${credential}: it is of the group ${group}, which config.toml leaves out (groups in [store]). Nothing was changed`;
  return new AuthdError("invalid_params", message, { credential });
}
