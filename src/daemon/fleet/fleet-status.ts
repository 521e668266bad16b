import { omitUndefined } from "../../base/omit-undefined.ts";
import type { Registry } from "../../credential/registry.ts";
import type { SharedRecords } from "../../credential/shared/shared-records.ts";
import { messageOf } from "../../errors.ts";
import type { FleetStatus, SharedCredentialStatus } from "../../protocol.ts";
import type { FleetKeys, StoreEntry } from "../../vault/store/index.ts";

interface Asked {
  host: string;
  url: string;
  records: SharedRecords;
  registry: Registry;
}

/** Returns how the store and its hosts are. Never rejects: a store that can't be reached is told as a problem. */
export async function fleetStatus({ host, url, records, registry }: Asked): Promise<FleetStatus> {
  try {
    const { payloadKeyId, readWrapped } = await import("../../vault/store/index.ts");
    const { hosts, nowMs } = await records.connection.ask((store) => store.hosts());
    const { keys } = await records.connection.opened();
    const { entries } = await records.connection.ask((store) => store.changesSince(-1));
    const credentials = entries
      .filter(({ payload }) => payload !== undefined)
      .map((entry) => ({
        ...statusOf(entry, nowMs, records, registry),
        ...groupOf(keys, entry.payload && payloadKeyId(entry.payload)),
      }));
    return {
      ...{ host, url },
      hosts: hosts.map(({ name, seenMs, wrappedKey }) => ({
        ...{ name, seenMsAgo: Math.max(0, nowMs - seenMs) },
        groups: readWrapped({ wrappedKey }).map(({ group }) => group),
      })),
      credentials: credentials.sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  } catch (error) {
    return { host, url, problem: messageOf(error), hosts: [], credentials: [] };
  }
}

function groupOf({ groups }: FleetKeys, keyId: string | undefined): { group?: string } {
  const { group } = groups.find(({ id }) => id !== undefined && id === keyId) ?? {};
  return group === undefined ? {} : { group };
}

function statusOf(
  { name, version, committedBy, lease, intent }: StoreEntry,
  nowMs: number,
  records: SharedRecords,
  registry: Registry,
): SharedCredentialStatus {
  const versionHere = registry.findShared(name)?.live?.shared?.version ?? 0;
  const leasedBy = lease && lease.untilMs > nowMs ? lease.holder : undefined;
  const pending = records.pending.has(name) ? (true as const) : undefined;
  return {
    ...{ name, version, versionHere },
    ...omitUndefined({ committedBy, leasedBy, intentOf: intent?.holder, pending }),
  };
}
