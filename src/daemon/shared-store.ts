import { join } from "node:path";
import { readRegularFile } from "../base/regular-file.ts";
import { hostOf } from "../config/config.ts";
import type { StoreSettings } from "../config/settings.ts";
import { hasSecrets } from "../credential/record.ts";
import { isOwn } from "../credential/shared/own-record.ts";
import { SharedRecords } from "../credential/shared/shared-records.ts";
import { SharedSync } from "../credential/shared/shared-sync.ts";
import { errorCode, messageOf } from "../errors.ts";
import {
  addGroup,
  fleetKeys,
  hostKeyOwner,
  type KeyOwner,
  openStore,
  type Store,
  StoreRefusal,
} from "../vault/store/index.ts";
import { vaultInstance } from "./fleet/instance.ts";
import { assertIsSame, noteMember } from "./fleet/other-store.ts";
import { storeTimeline } from "./fleet/store-timeline.ts";
import type { Foundation } from "./foundation.ts";

/** Systemd credentials of these names are the password of the store's role, and the key that lets this host in. */
const PASSWORD_CREDENTIAL = "store-password";
const KEY_CREDENTIAL = "store-key";
const MAX_BYTES = 1024 * 1024;

/** What a daemon with a store has beside one without. */
export interface SharedStore {
  records: SharedRecords;
  sync: SharedSync;
  settings: StoreSettings;
  /** It is used no more: what is still opened of it is not noted as this host's store. */
  isLeft: boolean;
}

/** Opens the store with what the settings say. Rejects with AuthdError. */
export async function openSettled(settings: StoreSettings, env: NodeJS.ProcessEnv) {
  const { url, passwordFile, caFile } = settings;
  const password = passwordOf(passwordFile ?? credentialFile(env, PASSWORD_CREDENTIAL));
  return await openStore({
    url,
    ...(password && { password }),
    ...(caFile !== undefined && { ca: textOf(caFile) }),
  });
}

/** Prepares the store that the settings name, without a connection to it. */
export async function prepareStore(
  foundation: Foundation,
  settings: StoreSettings,
): Promise<SharedStore> {
  const { env, clock, time, log, vault } = foundation;
  const { url } = settings;
  const host = hostOf(settings);
  const open = async () => {
    const store = await openSettled(settings, env);
    try {
      await assertIsSame(foundation, store, url);
      const owner = keyOwnerOf(settings, { env, vault });
      const keys = await fleetKeys(store, host, owner, () => assertNothingLost(store, vault));
      const keyIds = [...keys.own.values()].map(({ id }) => id);
      if (!shared.isLeft) noteMember(foundation, { url, keyIds });
      const add = (group: string) => addGroup(store, { host, vault: owner }, keys, group);
      return { store, keys, addGroup: add };
    } catch (error) {
      await store.close();
      throw error;
    }
  };
  const { groups } = settings;
  const timeline = storeTimeline(env, url);
  const instance = vaultInstance(env);
  const records = new SharedRecords({ host, instance, groups, open, clock, time, log, timeline });
  const sync = new SharedSync(records, clock, log);
  const shared: SharedStore = { records, sync, settings, isLeft: false };
  return shared;
}

/** Returns whose key this host has in a store: its vault, or a file. Throws StoreRefusal if that can't be read. */
export function keyOwnerOf(
  { keyFile }: StoreSettings,
  { env, vault }: Pick<Foundation, "env" | "vault">,
): KeyOwner {
  const file = keyFile ?? credentialFile(env, KEY_CREDENTIAL);
  if (file === undefined) return vault;
  return hostKeyOwner(textOf(file), file);
}

/** Rejects with StoreRefusal if the store would replace secrets of this host that were never in one. */
async function assertNothingLost(store: Store, vault: Foundation["vault"]): Promise<void> {
  const { entries } = await store.changesSince(-1);
  for (const { name, payload } of entries) {
    const record = payload && vault.read(name);
    if (!record || !isOwn(record) || !hasSecrets(record)) continue;
    const text = `The store has ${name}, and this host has secrets of its own for it: remove it here first (authd remove ${name})`;
    throw new StoreRefusal(text);
  }
}

/** The password is read anew for each connection, so that it can be replaced. */
function passwordOf(file: string | undefined): (() => string) | undefined {
  return file === undefined ? undefined : () => textOf(file).replace(/\r?\n$/, "");
}

/** Returns the file of a systemd credential; undefined if this process was given none of that name. */
function credentialFile(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const folder = env.CREDENTIALS_DIRECTORY;
  if (folder === undefined) return undefined;
  const file = join(folder, name);
  return isThere(file) ? file : undefined;
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
    throw new StoreRefusal(`${path} of [store] can't be read: ${messageOf(cause)}`);
  }
}
