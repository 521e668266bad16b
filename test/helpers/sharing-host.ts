/** Hosts that share records in a store: registries with real vaults, on clocks that the test moves. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { KnownStore } from "../../src/credential/shared/shared-context.ts";
import { SharedRecords } from "../../src/credential/shared/shared-records.ts";
import { SharedSync } from "../../src/credential/shared/shared-sync.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { fleetKeyOf, openPayload, tokenDigest } from "../../src/vault/store/fleet-key.ts";
import type { Store } from "../../src/vault/store/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { type Issuer, startIssuer } from "./issuer.ts";
import type { Scope } from "./scope.ts";
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from "./test-registry.ts";

const KEY = randomBytes(32);
export interface SharingHost extends TestRegistry {
  records: SharedRecords;
  sync: SharedSync;
  /** Lets the store be out of reach, until it is called with false. */
  cutOff(isDown: boolean): Promise<void>;
  /** What it keeps of the store over its restarts. */
  known: KnownStore | undefined;
}

export interface SharingHostOptions {
  clock?: FakeClock;
  /** Id of its vault's folder. */
  instance?: string;
  /** What its registry is started with beside the clock. */
  engine?: Omit<TestRegistryOptions, "clock">;
  /** What it knew of the store when it ended. */
  known?: KnownStore | undefined;
  /** Opens the folder of the store; rejects while it is out of reach. */
  openStore?: (dir: string) => Promise<Store>;
}

/** A host that shares what is in `dir`. */
export async function startHost(
  t: Scope,
  dir: string,
  name: string,
  {
    clock = new FakeClock(),
    instance = "folder",
    engine: options = {},
    known,
    openStore = async (folder) => new FileStore(folder),
  }: SharingHostOptions = {},
): Promise<SharingHost> {
  const engine = await startTestRegistry(t, { ...options, clock });
  const { time, log, registry } = engine;
  const begin = { holder: name, from: undefined, to: fleetKeyOf(KEY).id, hosts: [], records: [] };
  // Done by the first host alone.
  await new FileStore(join(dir, "store")).replaceAll(begin);
  let isCut = false;
  const open = async () => {
    if (isCut) throw new Error("out of reach");
    const key = fleetKeyOf(Buffer.from(KEY));
    const keys = { keyId: key.id, own: new Map([["default", key]]) };
    return {
      store: await openStore(join(dir, "store")),
      keys: { ...keys, groups: [{ group: "default", id: key.id }] },
      addGroup: async () => false,
    };
  };
  const timeline = {
    known: () => host.known,
    note: (known: KnownStore) => {
      host.known = known;
    },
  };
  const records = new SharedRecords({ host: name, instance, open, clock, time, log, timeline });
  records.connect({
    find: (known) => registry.findShared(known),
    names: () => registry.all().map((each) => each.name),
    fileOf: () => undefined,
    add: async () => {},
    remove: async () => {},
    get isLocked() {
      return engine.vault.locked !== undefined;
    },
  });
  registry.share(records);
  const sync = new SharedSync(records, clock, log);
  t.teardown(() => sync.stop());
  const cutOff = async (isDown: boolean) => {
    isCut = isDown;
    if (isDown) await records.connection.close();
  };
  const host: SharingHost = { ...engine, records, sync, cutOff, known };
  return host;
}

/** A credential whose refresh token rotates. */
export const rotating = ({ url }: Issuer, more: object = {}) => ({
  ...{ grant: "refresh_token", token_url: url, client_id: "app" },
  ...more,
});

/** Answers each refresh token with the next. */
export const startRotating = (t: Scope) =>
  startIssuer(t, ({ form }) => {
    const next = Number(form.get("refresh_token")?.replace("refresh-", "")) + 1;
    return { json: answerOf(next) };
  });

export function answerOf(next: number) {
  const tokens = { access_token: `token-${next}`, refresh_token: `refresh-${next}` };
  return { ...tokens, token_type: "Bearer", expires_in: 3_600 };
}

/** Of a credential whose token was not refreshed yet. */
export const secrets = { refresh_token: "refresh-0" };

/** Starts two hosts that have refreshed a credential `a` once; `more` is what its file says beside. */
export async function startPair(t: Scope, dir: string, more: object = {}) {
  const issuer = await startRotating(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const first = await one.add("a", rotating(issuer, more), secrets);
  const second = await two.add("a", rotating(issuer, more), secrets);
  await first.token({});
  await settled(one);
  await second.token({});
  await settled(two);
  return { issuer, one, two, first, second };
}

/** Resolves when nothing of a host is on its way into the store. */
export async function settled({ records }: SharingHost): Promise<void> {
  await records.halt();
  records.resume();
}

/** Another host has opened an intent, and never tells what came of it. */
export async function leaveIntent(
  dir: string,
  holder: string,
  token = "of before the keys were replaced",
): Promise<FileStore> {
  const store = new FileStore(join(dir, "store"));
  const { entry } = await store.read("a");
  const epoch = entry?.epoch ?? 0;
  const hash = tokenDigest(fleetKeyOf(KEY), token);
  await store.acquire("a", { holder, epoch, ttlMs: 60_000 });
  await store.intend("a", { epoch: epoch + 1, hash, ttlMs: 1 });
  await store.release("a", epoch + 1, false);
  return store;
}

/** Returns the refresh token in the store. */
export async function refreshTokenIn(dir: string): Promise<string | undefined> {
  const { entry } = await new FileStore(join(dir, "store")).read("a");
  const { record } = openPayload(fleetKeyOf(KEY), "a", entry!.payload!) as {
    record: { secrets: { refresh_token?: string } };
  };
  return record.secrets.refresh_token;
}
