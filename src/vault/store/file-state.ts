import { newEntry } from "./entry.ts";
import { hostOfHolder } from "./holder.ts";
import type { Host, Lease, NewHost, Replacement, StoreEntry } from "./store.ts";

/** All that a store in a folder keeps. */
export interface FileState {
  /** Number of the last commit. */
  change: number;
  /** Id of the key that seals the records; absent: nobody shares them yet. */
  keyId: string | undefined;
  /** Names the recovery that is under way; absent: there is none. */
  setBack?: string | undefined;
  records: Map<string, { entry: StoreEntry; change: number }>;
  hosts: Host[];
  invites: { id: string; wrappedKey: Buffer; untilMs: number }[];
}

/** Members that are bytes, and stand in base64. */
const BYTES = new Set(["payload", "publicKey", "wrappedKey"]);

/** Undefined: there is no file yet. Throws for a file that is no JSON. */
export function parseState(text: string | undefined): FileState {
  const nothing = { change: 0, keyId: undefined, records: [], hosts: [], invites: [] };
  if (text === undefined) return { ...nothing, records: new Map() };
  const state = JSON.parse(text, (key, value) =>
    BYTES.has(key) ? Buffer.from(String(value), "base64") : value,
  );
  return { ...nothing, ...state, records: new Map(state.records) };
}

export function serializeState(state: FileState): string {
  const plain = { ...state, records: [...state.records] };
  return JSON.stringify(plain, (key, value) =>
    BYTES.has(key) && value !== undefined
      ? Buffer.from(value.data ?? value).toString("base64")
      : value,
  );
}

/** Returns a host with its new keys. One that was there has told what it has; one that is new has nothing to put back. */
export function withHost({ hosts, setBack }: FileState, host: NewHost, nowMs: number): Host {
  const { seenMs = nowMs, told = undefined } = hosts.find(({ name }) => name === host.name) ?? {
    told: setBack,
  };
  return { ...host, seenMs, told };
}

/** Replaces everything, if key and versions are those given; else changes nothing and returns false. */
export function takesPlace(
  state: FileState,
  { holder, from, to, hosts, records, keepsVersions = false, unlessSpending }: Replacement,
  nowMs: number,
): boolean {
  if (state.keyId !== from) return false;
  const staying = new Set(hosts.map(({ name }) => name));
  const stays = (one: Lease | undefined) => one && staying.has(hostOfHolder(one.holder));
  const spends = ({ intent, payload }: StoreEntry) =>
    payload && intent && intent.deadlineMs > nowMs && !staying.has(hostOfHolder(intent.holder));
  if (unlessSpending && [...state.records.values()].some(({ entry }) => spends(entry)))
    return false;
  const versionOf = (name: string) => state.records.get(name)?.entry.version ?? 0;
  if (records.some(({ name, version }) => versionOf(name) !== version)) return false;
  const given = new Set(records.map(({ name }) => name));
  const others = [...state.records.values()].filter(({ entry }) => !given.has(entry.name));
  if (others.some(({ entry }) => entry.payload !== undefined)) return false;
  state.change++;
  state.keyId = to;
  state.invites = [];
  state.hosts = hosts.map((host) => withHost(state, host, nowMs));
  for (const { name, version, payload } of records) {
    const before = state.records.get(name)?.entry ?? newEntry(name);
    const isSame = keepsVersions && payload !== undefined;
    const by = { committedBy: holder, committedMs: nowMs };
    const place = isSame ? { version } : { version: version + 1, ...by };
    const isLeased = before.lease && before.lease.untilMs > nowMs && stays(before.lease);
    const freed = isSame && !isLeased && { lease: undefined, epoch: before.epoch + 1 };
    const intent = keepsVersions ? before.intent : undefined;
    const entry = { ...before, ...place, ...freed, intent, payload };
    state.records.set(name, { entry, change: state.change });
  }
  return true;
}
