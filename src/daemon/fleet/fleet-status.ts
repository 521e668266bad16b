import { omitUndefined } from "../../base/omit-undefined.ts";
import type { Registry } from "../../credential/registry.ts";
import type { SharedRecords } from "../../credential/shared/shared-records.ts";
import { messageOf } from "../../errors.ts";
import type { FleetLag, FleetStatus, SharedCredentialStatus } from "../../protocol.ts";
import {
  type FleetKeys,
  hostOfHolder,
  payloadKeyId,
  readWrapped,
  type StoreEntry,
} from "../../vault/store/index.ts";

interface Asked {
  host: string;
  url: string;
  records: SharedRecords;
  registry: Registry;
  /** How long ago (ms) this host had all that the store has; undefined: not since its start. */
  currentMsAgo: number | undefined;
}

/** Returns how the store and its hosts are. Never rejects: a store that can't be reached is told as a problem. */
export async function fleetStatus(asked: Asked): Promise<FleetStatus> {
  const { host, url, records, currentMsAgo } = asked;
  const drained = records.isDrained ? (true as const) : undefined;
  const head = { host, url, ...omitUndefined({ drained }) };
  const lag = omitUndefined({ currentMsAgo });
  try {
    const { hosts, nowMs } = await hostsOf(records);
    const credentials = await credentialsOf(asked);
    return {
      ...head,
      lag: { ...lag, ...lagOf(credentials) },
      hosts: hosts.map(({ name, seenMs, wrappedKey }) => ({
        ...{ name, seenMsAgo: Math.max(0, nowMs - seenMs) },
        groups: readWrapped({ wrappedKey }).map(({ group }) => group),
      })),
      credentials: credentials.map(({ status }) => status),
    };
  } catch (error) {
    return { ...head, problem: messageOf(error), lag, hosts: [], credentials: [] };
  }
}

/** Rejects with StoreDown, also if this host was shut out. */
async function hostsOf({ connection, host }: SharedRecords) {
  const answer = await connection.ask((store) => store.hosts());
  if (answer.hosts.some(({ name }) => name === host)) return answer;
  // It is told why, or is let in by its key.
  connection.reopen();
  return await connection.ask((store) => store.hosts());
}

interface Known {
  status: SharedCredentialStatus;
  /** This host serves its group. */
  isServed: boolean;
}

async function credentialsOf({ records, registry }: Asked): Promise<Known[]> {
  const { entries, nowMs } = await records.connection.ask((store) => store.changesSince(-1));
  const known = await records.connection.use(({ keys }) =>
    entries.flatMap((entry) => {
      if (!entry.payload) return [];
      const group = groupOf(keys, payloadKeyId(entry.payload));
      const status = {
        ...{ name: entry.name, ...omitUndefined({ group }) },
        ...statusOf(entry, nowMs, { records, registry }),
      };
      return {
        status,
        isServed: group !== undefined && records.serves(keys, { group, name: entry.name }),
      };
    }),
  );
  return known.sort((a, b) => (a.status.name < b.status.name ? -1 : 1));
}

function lagOf(credentials: readonly Known[]): FleetLag {
  const behind = credentials.filter(
    ({ isServed, status }) => isServed && status.versionHere < status.version,
  );
  const ages = behind.map(({ status }) => status.committedMsAgo ?? 0);
  return { credentials: behind.length, ...(ages.length > 0 && { ms: Math.max(...ages) }) };
}

function groupOf({ groups }: FleetKeys, keyId: string | undefined): string | undefined {
  return groups.find(({ id }) => id !== undefined && id === keyId)?.group;
}

function statusOf(
  { name, version, committedBy, committedMs, lease, intent }: StoreEntry,
  nowMs: number,
  { records, registry }: Pick<Asked, "records" | "registry">,
): Omit<SharedCredentialStatus, "name" | "group"> {
  const versionHere = registry.findShared(name)?.live?.shared?.version ?? 0;
  const isLeased = lease !== undefined && lease.untilMs > nowMs;
  const ago = (ms: number | undefined) => (ms === undefined ? ms : Math.max(0, nowMs - ms));
  const pending = records.pending.has(name) ? (true as const) : undefined;
  return {
    ...{ version, versionHere },
    ...omitUndefined({ committedBy, committedMsAgo: ago(committedMs) }),
    ...(isLeased && { leasedBy: hostOfHolder(lease.holder), leaseMs: lease.untilMs - nowMs }),
    ...omitUndefined({
      intentOf: intent && hostOfHolder(intent.holder),
      intentMsAgo: ago(intent?.openedMs),
      pending,
    }),
  };
}
