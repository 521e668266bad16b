import type { Consent } from "../../admin/consent.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import {
  assertName,
  configDir,
  hostOf,
  loadDaemonSettings,
  storeHost,
  storeTableRemoval,
  writeStoreTable,
} from "../../config/config.ts";
import type { StoreSettings } from "../../config/settings.ts";
import { hasSecrets } from "../../credential/record.ts";
import { isOwn } from "../../credential/shared/own-record.ts";
import type { OpenedStore } from "../../credential/shared/store-connection.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { FleetHost, FleetRemoved, FleetStatus, ParamsOf } from "../../protocol.ts";
import {
  DEFAULT_GROUP,
  type FleetKeys,
  fleetKeys,
  type GroupKeys,
  inviteHost,
  isLeaving,
  joinFleet,
  type KeyOwner,
  makeHostKey,
  memberWith,
  newKeyId,
  type Store,
} from "../../vault/store/index.ts";
import type { Core } from "../core.ts";
import type { Foundation } from "../foundation.ts";
import { keyOwnerOf, openSettled, prepareStore, type SharedStore } from "../shared-store.ts";
import { fleetStatus } from "./fleet-status.ts";
import { insteadOfFormer } from "./former-store.ts";
import { forgetLeftStore, leftStore, noteLeftStore } from "./left-store.ts";
import { finishMoveOut, moveIn, moveOut } from "./move-records.ts";
import { sealAnew } from "./seal-anew.ts";
import { forgetSharedStore, noteSharedStore, sharedStore } from "./shared-note.ts";

/** The most characters: with `key:` before it, it is the name of a host. */
const MAX_KEY_NAME = 59;

/** Moves this host's credentials into a store and back, and lets hosts in and out. */
export class FleetService {
  readonly #foundation: Foundation;
  readonly #core: Core;

  constructor(foundation: Foundation, core: Core) {
    this.#foundation = foundation;
    this.#core = core;
  }

  /** Rejects with AuthdError; then everything is as it was. A move that was cut off is completed, or done already. */
  async move({ to }: ParamsOf<"vault/move">, ask: Consent): Promise<FleetHost> {
    const { admin, registry } = this.#core;
    return await admin.changes.runWithConsent(ask, async (needs) => {
      admin.changes.assertOpen();
      if (to === "file:") return await this.#moveBack();
      needs(registry.anyGuarded());
      if (await this.#isMemberOf(to)) return this.#done(to);
      return await insteadOfFormer(this.#foundation, this.#core, to, () => this.#moveIn(to));
    });
  }

  async #moveIn(to: string): Promise<FleetHost> {
    const settings = this.#settingsFor(to);
    const host = hostOf(settings);
    const store = await openSettled(settings, this.#foundation.env);
    try {
      const owner = this.#owner(settings);
      if (await this.#isKnownTo(store, to, { host, owner })) {
        await this.#attach(settings);
        return { host, credentials: this.#sharedCount() };
      }
      const { groups } = settings;
      const place = { host, groups, owner };
      const attach = () => this.#attach(settings);
      const credentials = await moveIn(this.#foundation, this.#core, store, place, attach);
      return { host, credentials };
    } finally {
      await store.close();
    }
  }

  /** True for the store that this host shares already, where what config.toml said of it at the start could not be used. */
  async #isKnownTo(
    store: Store,
    url: string,
    { host, owner }: { host: string; owner: KeyOwner },
  ): Promise<boolean> {
    if (sharedStore(this.#foundation.env)?.url !== url) return false;
    const { hosts } = await store.hosts();
    if (!hosts.some(({ name }) => name === host)) return false;
    await fleetKeys(store, host, owner);
    return true;
  }

  async #moveBack(): Promise<FleetHost> {
    const { env } = this.#foundation;
    if (!this.#core.shared) return await this.#leave();
    const { host, settings, records } = this.#assertShared();
    const owner = this.#owner(settings);
    const leaving = await records.connection.use(({ keys }) => ({
      from: keys.keyId,
      member: memberWith(host, owner, keys.own),
    }));
    const store = await openSettled(settings, env);
    const credentials = await moveOut(this.#core, { ...leaving, store }, async () => {
      const removeTable = storeTableRemoval(configDir(env));
      noteLeftStore(env, settings);
      forgetSharedStore(env);
      removeTable();
      await this.#core.detach();
      return () => this.#attach(settings);
    }).finally(() => store.close());
    forgetLeftStore(env);
    this.#foundation.log.info({ url: settings.url }, "the credentials are this host's alone again");
    return { host, credentials };
  }

  /** Completes a move out of a store that config.toml names no more. */
  async #leave(): Promise<FleetHost> {
    const { env } = this.#foundation;
    const settings = leftStore(env);
    if (!settings) {
      const former = sharedStore(env);
      if (former) throw leftOut(former.url);
      return this.#done("file:");
    }
    const store = await openSettled(settings, env);
    const host = hostOf(settings);
    const owner = () => this.#owner(settings);
    await finishMoveOut(this.#core, { store, holder: host, owner }).finally(() => store.close());
    forgetLeftStore(env);
    return { ...this.#done(settings.url), host };
  }

  /** What a move says that was done before. */
  #done(url: string): FleetHost {
    const { registry, shared } = this.#core;
    const settings = shared?.settings ?? this.#newSettings(url);
    return { host: hostOf(settings), credentials: [...registry.all()].length };
  }

  /** Without groups: into the default group. */
  async invite({ groups }: ParamsOf<"fleet/invite">, ask: Consent): Promise<{ invite: string }> {
    const { admin, registry } = this.#core;
    return await admin.changes.runWithConsent(ask, async (needs) => {
      admin.changes.assertOpen();
      needs(registry.anyGuarded());
      const invite = await this.#whileOpen(({ store, keys }) =>
        inviteHost(store, this.#given(keys, groups)),
      );
      return { invite };
    });
  }

  /** Makes a key that lets hosts in, as long as it is there. Without groups: into the default group. */
  async key({ name, groups }: ParamsOf<"fleet/key">, ask: Consent): Promise<{ key: string }> {
    assertName(name, "a key", MAX_KEY_NAME);
    const { admin, registry } = this.#core;
    return await admin.changes.runWithConsent(ask, async (needs) => {
      admin.changes.assertOpen();
      needs(registry.anyGuarded());
      const key = await this.#whileOpen(({ store, keys }) =>
        makeHostKey(store, name, this.#given(keys, groups)),
      );
      return { key };
    });
  }

  /** Returns the keys of these groups, which this host has; without groups that of the default one. */
  #given({ own }: FleetKeys, groups: readonly string[] | undefined): GroupKeys {
    return new Map(
      [...new Set(groups ?? [DEFAULT_GROUP])].map((group) => {
        const key = own.get(group);
        if (!key) throw noGroup(group);
        return [group, key] as const;
      }),
    );
  }

  /** Uses the store to let others in. A move back that was cut off, and is not wanted any more, keeps them out no more. */
  async #whileOpen<T>(work: (opened: OpenedStore) => Promise<T>): Promise<T> {
    const { records, host, settings } = this.#assertShared();
    const { connection } = records;
    const owner = this.#owner(settings);
    const wasLeaving = await connection.use(async ({ store, keys }) => {
      if (!isLeaving(keys.keyId)) return false;
      const member = memberWith(host, owner, keys.own);
      await store.putHost(member, { from: keys.keyId, to: newKeyId() });
      return true;
    });
    if (wasLeaving) connection.reopen();
    return await connection.use(work);
  }

  async join({ url, invite }: ParamsOf<"fleet/join">): Promise<FleetHost> {
    const { admin } = this.#core;
    return await admin.changes.runOpen(async () => {
      if (await this.#isMemberOf(url)) return await this.#joinGroups(invite);
      return await insteadOfFormer(this.#foundation, this.#core, url, () =>
        this.#joinAnew(url, invite),
      );
    });
  }

  async #joinAnew(url: string, invite: string): Promise<FleetHost> {
    const settings = this.#settingsFor(url);
    const host = hostOf(settings);
    const store = await openSettled(settings, this.#foundation.env);
    try {
      const { entries } = await store.changesSince(-1);
      const live = entries.filter(({ payload }) => payload !== undefined);
      const names = live.map(({ name }) => name);
      this.#assertNoneOf(names);
      const vault = this.#owner(settings);
      await joinFleet(store, { host, vault, isMember: false }, invite);
      this.#forgetVersions(names);
      await this.#attach(settings);
      return { host, credentials: this.#sharedCount() };
    } finally {
      await store.close();
    }
  }

  /** Gets further groups for a host of the store. */
  async #joinGroups(invite: string): Promise<FleetHost> {
    const { records, sync, host, settings } = this.#assertShared();
    const vault = this.#owner(settings);
    await records.connection.use(({ store }) =>
      joinFleet(store, { host, vault, isMember: true }, invite),
    );
    await sync.stop();
    await sync.start();
    return { host, credentials: this.#sharedCount() };
  }

  #sharedCount(): number {
    const records = [...this.#core.registry.all()].flatMap(({ shared }) => shared.live ?? []);
    return records.filter((live) => !isOwn(live)).length;
  }

  /** Wraps the store's keys for this host again, as its vault has a new key. Never rejects. */
  async wrapAgain(): Promise<void> {
    const { shared } = this.#core;
    if (!shared) return;
    const { log } = this.#foundation;
    try {
      const owner = this.#owner(shared.settings);
      const isDone = await shared.records.connection.use(async ({ store, keys }) => {
        const { keyId, own } = keys;
        const member = memberWith(hostOf(shared.settings), owner, own);
        return await store.putHost(member, { from: keyId, to: keyId });
      });
      if (!isDone) throw new Error("another host has changed the keys in this moment");
    } catch (error) {
      const next = "remove this host (authd fleet remove, on another one), and let it join again";
      log.error(
        {},
        `the store's keys are not wrapped for the vault's new key: ${messageOf(error)}; ${next}`,
      );
    }
  }

  async status(): Promise<FleetStatus> {
    const { host, settings, records, sync } = this.#assertShared();
    const { registry } = this.#core;
    const { syncedAt } = sync;
    const now = this.#foundation.clock.wall();
    const currentMsAgo = syncedAt === undefined ? undefined : Math.max(0, now - syncedAt);
    return await fleetStatus({ host, url: settings.url, records, registry, currentMsAgo });
  }

  /** Lets this host refresh nothing any more; what it has obtained goes into the store. */
  async drain(): Promise<Record<string, never>> {
    const { records, sync } = this.#assertShared();
    records.isDrained = true;
    await sync.poll();
    return {};
  }

  /** Rejects with AuthdError `invalid_params` for this host itself, and for one that is none of the store's. */
  async remove({ host, force = false }: ParamsOf<"fleet/remove">): Promise<FleetRemoved> {
    const { records, host: own } = this.#assertShared();
    if (host === own) {
      throw unfit("This host goes with authd vault move --to file:, or is removed on another one.");
    }
    return await sealAnew(records, host, force);
  }

  #owner(settings: StoreSettings): KeyOwner {
    return keyOwnerOf(settings, this.#foundation);
  }

  #assertShared(): SharedStore & { host: string } {
    const { shared } = this.#core;
    if (shared) return { ...shared, host: hostOf(shared.settings) };
    throw unfit(
      "This host shares no store: authd vault move --to URL, or authd fleet join URL --invite FILE.",
    );
  }

  async #isMemberOf(url: string): Promise<boolean> {
    const { shared } = this.#core;
    if (shared?.settings.url !== url) return false;
    return await shared.records.connection.use(() => true).catch(() => false);
  }

  /** Returns what config.toml says of this store; without it the address, and the name from the environment. */
  #settingsFor(url: string): StoreSettings {
    const store = this.#configuredStore();
    if (!store) return this.#newSettings(url);
    if (store.url === url) return store;
    throw unfit("config.toml names another store. Correct it first.");
  }

  #newSettings(url: string): StoreSettings {
    return omitUndefined({ url, host: storeHost(this.#foundation.env) });
  }

  /** Returns what config.toml says now. */
  #configuredStore(): StoreSettings | undefined {
    const { env } = this.#foundation;
    return loadDaemonSettings({ dir: configDir(env), env }).store;
  }

  async #attach(settings: StoreSettings): Promise<void> {
    const { env } = this.#foundation;
    const shared = await prepareStore(this.#foundation, settings);
    if (!this.#configuredStore()) writeStoreTable(configDir(env), settings);
    noteSharedStore(env, { url: settings.url, keyIds: [] });
    forgetLeftStore(env);
    await this.#core.attach(shared);
  }

  /** Everything that the store has is newer than what an earlier membership has left. */
  #forgetVersions(names: readonly string[]): void {
    for (const name of names) {
      const { live } = this.#core.registry.findShared(name) ?? {};
      if (live?.shared) live.shared = { version: 0, epoch: 0, generation: -1 };
    }
  }

  /** A credential with secrets of this host's own would be overwritten. */
  #assertNoneOf(names: readonly string[]): void {
    const { registry } = this.#core;
    // Another store than the one that is joined was refused before.
    const wasMember = this.#configuredStore() !== undefined;
    const clashing = names.filter((name) => {
      const { live } = registry.findShared(name) ?? {};
      // What was shared in this store before, as this host was shut out, is replaced.
      const isShared = wasMember && live !== undefined && !isOwn(live);
      return live !== undefined && hasSecrets(live) && !isShared;
    });
    if (clashing.length === 0) return;
    throw unfit(
      `The store has credentials of names that this host has too: ${clashing.slice(0, 10).join(", ")}. Remove them here first.`,
    );
  }
}

function leftOut(url: string): AuthdError {
  return unfit(
    `This host shared ${url}, and [store] is not in config.toml any more: put it back and restart authd first.`,
  );
}

function noGroup(group: string): AuthdError {
  return unfit(
    `This host has no group ${group}: a host that has it lets this one in (authd fleet invite --group ${group}), or its first credential makes it (authd set NAME --set group=${group}).`,
  );
}

function unfit(why: string): AuthdError {
  return new AuthdError("invalid_params", `${why} Nothing was changed`);
}
