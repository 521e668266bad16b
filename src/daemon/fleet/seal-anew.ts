/** Seals the records of a store with keys that a host does not get. */

import { setTimeout as sleep } from "node:timers/promises";
import type { SharedRecords } from "../../credential/shared/shared-records.ts";
import type { OpenedStore } from "../../credential/shared/store-connection.ts";
import { AuthdError } from "../../errors.ts";
import type { FleetRemoved } from "../../protocol.ts";
import {
  type FleetKey,
  type FleetKeys,
  goingWith,
  type Host,
  hostOfHolder,
  isProven,
  type NewHost,
  newFleetKey,
  newKeyId,
  openPayload,
  payloadKeyId,
  readWrapped,
  type StoreEntry,
  sealPayload,
  wrapGroup,
  writeWrapped,
} from "../../vault/store/index.ts";
import { overtaken } from "./move-records.ts";

/** A replacement is tried so often: hosts go on committing meanwhile. */
const TRIES = 10;
/** Who spends a refresh token is waited for so long (ms). */
const PATIENCE_MS = 15_000;
const LOOK_AGAIN_MS = 200;

/**
 * Makes new keys for all groups of this host, seals their records anew, and gives the keys to all hosts but
 * `without`, and to none that has its key if it is a key. Waits for requests of those that go, unless it is forced:
 * what they are answered is lost. Rejects with AuthdError: `too_busy` if such a request does not end, `invalid_params`
 * also if that one has a group that this host lacks and another one has.
 */
export async function sealAnew(
  records: SharedRecords,
  without: string,
  isForced: boolean,
): Promise<FleetRemoved> {
  const end = performance.now() + PATIENCE_MS;
  for (let tries = 0; tries < TRIES; ) {
    const { done, spending } = await records.connection.use((opened) =>
      replace(opened, { holder: records.host, without, isForced }),
    );
    if (done) records.connection.reopen();
    if (done) return done;
    if (!spending) {
      tries++;
      records.connection.reopen();
    } else if (performance.now() > end) throw stillSpends(spending);
    else await sleep(LOOK_AGAIN_MS);
  }
  throw overtaken();
}

/** A host that goes may spend a refresh token for so long. */
interface Spending {
  host: string;
  credential: string;
  ms: number;
}

interface Removal {
  holder: string;
  without: string;
  isForced: boolean;
}

/** Resolves without either if other hosts have committed, or changed the keys, meanwhile. */
async function replace(
  { store, keys }: OpenedStore,
  { holder, without, isForced }: Removal,
): Promise<{ done?: FleetRemoved; spending?: Spending }> {
  const { hosts, keyId } = await store.hosts();
  if (keyId !== keys.keyId) return {};
  const going = goingWith(hosts, without);
  if (going.length === 0) throw unknownHost(without);
  const gone = new Set(going.map(({ name }) => name));
  if (gone.has(holder)) throw ownKey(without);
  const lost = lostGroups(hosts, gone, keys);
  const { entries, nowMs } = await store.changesSince(-1);
  const open = entries.flatMap((entry) => intentOf(entry, gone, nowMs));
  const spending = open.find(({ ms }) => ms > 0);
  if (spending && !isForced) return { spending };
  const next = new Map([...keys.own.keys()].map((group) => [group, newFleetKey()]));
  try {
    const change = { before: keys, next };
    const members = membersOf(hosts, gone, change);
    const sealed = entries.map((entry) => sealedAnew(entry, { ...change, lost }));
    const ids = { from: keyId, to: newKeyId() };
    const how = { keepsVersions: true, unlessSpending: !isForced };
    const replacement = { holder, ...ids, ...how, hosts: members, records: sealed };
    if (!(await store.replaceAll(replacement))) return {};
    const unsettled = open.map(({ credential }) => credential);
    return { done: { ...removed(hosts, members, gone, { entries, sealed }), unsettled } };
  } finally {
    for (const { key } of next.values()) key.fill(0);
  }
}

/** Returns the intent of a host that goes, of which nobody knows yet what came of it. */
function intentOf(
  { name, intent }: StoreEntry,
  gone: ReadonlySet<string>,
  nowMs: number,
): Spending[] {
  const host = intent && hostOfHolder(intent.holder);
  if (host === undefined || !gone.has(host)) return [];
  return [{ host, credential: name, ms: intent!.deadlineMs - nowMs }];
}

/** Returns the ids of the keys that only the removed host has, by its own word. */
function lostGroups(
  hosts: readonly Host[],
  gone: ReadonlySet<string>,
  { own }: FleetKeys,
): Set<string> {
  const others = hosts.filter(({ name }) => !gone.has(name));
  const foreign = hosts
    .filter(({ name }) => gone.has(name))
    .flatMap((host) => readWrapped(host).map((wrapped) => ({ host: host.name, ...wrapped })))
    .filter(({ group }) => !own.has(group));
  for (const { host, group } of foreign) {
    const other = others.find((one) => readWrapped(one).some((each) => each.group === group));
    if (other) throw lacksGroup(host, group, other.name);
  }
  return new Set(foreign.flatMap(({ id }) => id ?? []));
}

interface Change {
  before: FleetKeys;
  next: ReadonlyMap<string, FleetKey>;
}

/** Returns the other hosts with the new keys of the groups that they were let into. */
function membersOf(
  hosts: readonly Host[],
  gone: ReadonlySet<string>,
  { before, next }: Change,
): NewHost[] {
  return hosts
    .filter(({ name }) => !gone.has(name))
    .flatMap(({ name, publicKey, wrappedKey }) => {
      const host = { name, publicKey };
      const keys = readWrapped({ wrappedKey }).flatMap((wrapped) => {
        const { group, id, key, proof } = wrapped;
        const [old, fresh] = [before.own.get(group), next.get(group)];
        // Of a group that this host has not: it stays as it is.
        if (!old || !fresh) return id && proof ? [{ group, id, key, proof }] : [];
        return isProven(host, wrapped, old) ? [wrapGroup(host, group, fresh)] : [];
      });
      return keys.length > 0 ? [{ ...host, wrappedKey: writeWrapped(keys) }] : [];
    });
}

function sealedAnew(
  { name, version, payload }: StoreEntry,
  { before, next, lost }: Change & { lost: ReadonlySet<string> },
) {
  const id = payload && payloadKeyId(payload);
  const [group, key] = [...before.own].find(([, one]) => one.id === id) ?? [];
  const fresh = group === undefined ? undefined : next.get(group);
  if (!payload || lost.has(id ?? "")) return { name, version, payload: undefined };
  if (!key || !fresh) return { name, version, payload };
  const content = openPayload(key, name, payload) as object;
  return { name, version, payload: sealPayload(fresh, name, content) };
}

function removed(
  hosts: readonly Host[],
  members: readonly { name: string }[],
  gone: ReadonlySet<string>,
  { entries, sealed }: { entries: readonly StoreEntry[]; sealed: { payload?: unknown }[] },
): Omit<FleetRemoved, "unsettled"> {
  const kept = new Set([...gone, ...members.map(({ name }) => name)]);
  return {
    unproven: hosts.map(({ name }) => name).filter((name) => !kept.has(name)),
    credentials: entries
      .filter(({ payload }, at) => payload !== undefined && sealed[at]?.payload === undefined)
      .map(({ name }) => name),
  };
}

function stillSpends({ host, credential, ms }: Spending): AuthdError {
  const text = `${credential}: ${host} may be spending its refresh token, and has not told what came of it. Try again once it has told, or in ${Math.ceil(ms / 1_000)} s; with --force it is shut out now, and what the issuer answers it is lost. Nothing was changed`;
  return new AuthdError("too_busy", text, { credential, retryAfterMs: ms });
}

function ownKey(key: string): AuthdError {
  const text = `This host has ${key} itself: remove it on one that was let in by an invitation (authd fleet invite). Nothing was changed`;
  return new AuthdError("invalid_params", text);
}

function unknownHost(host: string): AuthdError {
  return new AuthdError("invalid_params", `The store has no host ${host}. Nothing was changed`);
}

function lacksGroup(host: string, group: string, other: string): AuthdError {
  const text = `${host} has the group ${group}, which this host can't seal anew: remove it on ${other}, which has that group. Nothing was changed`;
  return new AuthdError("invalid_params", text);
}
