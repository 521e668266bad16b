import { hostname } from "node:os";
import { join } from "node:path";
import { readRegularFile } from "../base/regular-file.ts";
import type { StoreSettings } from "../config/settings.ts";
import type { SharedRecords } from "../credential/shared/shared-records.ts";
import type { SharedSync } from "../credential/shared/shared-sync.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import type { StoreFigures } from "../observe/observe.ts";
import { storeTimeline } from "./fleet/store-timeline.ts";
import type { Foundation } from "./foundation.ts";

/** A systemd credential of this name is the password of the store's role. */
const SYSTEMD_CREDENTIAL = "store-password";
const MAX_BYTES = 1024 * 1024;

/** What a daemon with a store has beside one without. */
export interface SharedStore {
  records: SharedRecords;
  sync: SharedSync;
  settings: StoreSettings;
}

/** Returns the name of this host in a store. */
export function hostOf({ host }: StoreSettings): string {
  return (
    host ??
    (hostname()
      .toLowerCase()
      .replace(/[^a-z0-9._-]/g, "-")
      .slice(0, 64) ||
      "host")
  );
}

/** Opens the store with what the settings say. Rejects with AuthdError. */
export async function openSettled(settings: StoreSettings, env: NodeJS.ProcessEnv) {
  const { openStore } = await import("../vault/store/index.ts");
  const { url, passwordFile, caFile } = settings;
  const folder = env.CREDENTIALS_DIRECTORY;
  const credential = folder === undefined ? undefined : join(folder, SYSTEMD_CREDENTIAL);
  const password = passwordOf(passwordFile, credential);
  return await openStore({
    url,
    ...(password && { password }),
    ...(caFile !== undefined && { ca: textOf(caFile) }),
  });
}

/** Prepares the store that the settings name, without a connection to it; undefined if they name none. */
export async function prepareStore(
  { env, clock, time, log, vault }: Foundation,
  settings: StoreSettings | undefined,
): Promise<SharedStore | undefined> {
  if (!settings) return undefined;
  const [{ SharedRecords: Records }, { SharedSync: Sync }, { addGroup, fleetKeys }] =
    await Promise.all([
      import("../credential/shared/shared-records.ts"),
      import("../credential/shared/shared-sync.ts"),
      import("../vault/store/index.ts"),
    ]);
  const host = hostOf(settings);
  const open = async () => {
    const store = await openSettled(settings, env);
    try {
      const keys = await fleetKeys(store, host, vault);
      const add = (group: string) => addGroup(store, { host, vault }, keys, group);
      return { store, keys, addGroup: add };
    } catch (error) {
      await store.close();
      throw error;
    }
  };
  const { groups } = settings;
  const timeline = storeTimeline(env, settings.url);
  const records = new Records({ host, groups, open, clock, time, log, timeline });
  return { records, sync: new Sync(records, clock, log), settings };
}

/** Returns what metrics tell of the store. */
export function storeFigures({ records, sync }: SharedStore): StoreFigures {
  const { connection, leases, pending, commits } = records;
  return {
    isReached: connection.problem === undefined && sync.syncedAt !== undefined,
    syncedAt: sync.syncedAt,
    leases: leases.held.size,
    pending: pending.size,
    commits: commits.counts,
  };
}

/** The password is read anew for each connection, so that it can be replaced. */
function passwordOf(
  file: string | undefined,
  credential: string | undefined,
): (() => string) | undefined {
  if (file !== undefined) return () => textOf(file).replace(/\r?\n$/, "");
  if (credential === undefined || !isThere(credential)) return undefined;
  return () => textOf(credential).replace(/\r?\n$/, "");
}

function isThere(path: string): boolean {
  try {
    readRegularFile(path, MAX_BYTES);
    return true;
  } catch (error) {
    return errorCode(error) !== "ENOENT";
  }
}

function textOf(path: string): string {
  try {
    return readRegularFile(path, MAX_BYTES, { followLinks: true }).toString();
  } catch (cause) {
    throw new AuthdError("internal", `${path} of [store] can't be read: ${messageOf(cause)}`);
  }
}
