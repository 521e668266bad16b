import { setImmediate as turn } from "node:timers/promises";
import { Admin } from "../admin/admin.ts";
import { Backup } from "../admin/backup.ts";
import { ImportJournal } from "../admin/import-journal.ts";
import { LoginService } from "../admin/login/login-service.ts";
import { sharedCredentials } from "../admin/shared-credentials.ts";
import { TokenFiles, type TokenFilesOptions } from "../admin/token-files/token-files.ts";
import type { Timer } from "../base/clock.ts";
import { configDir, loadConfiguration, stateDir } from "../config/config.ts";
import type { Configuration } from "../config/settings.ts";
import { HostLimiter } from "../credential/host-limiter.ts";
import { OneTimeCodes } from "../credential/one-time-codes.ts";
import { Registry } from "../credential/registry.ts";
import { sharedVault } from "../credential/shared/shared-vault.ts";
import { SpendingRequests } from "../credential/spending-requests.ts";
import { messageOf } from "../errors.ts";
import { IssuerClocks } from "../http/issuer-clock.ts";
import { LOCK_REASONS } from "../lock/lock-errors.ts";
import { Logind } from "../lock/logind.ts";
import { VaultLocker } from "../lock/vault-locker.ts";
import { Observer } from "../observe/observe.ts";
import type { EventPayload, HealthResult } from "../protocol.ts";
import { Subscriptions } from "../rpc/subscriptions.ts";
import { formerStoreName } from "./fleet/shared-note.ts";
import type { Foundation } from "./foundation.ts";
import { healthOf } from "./health.ts";
import type { SharedStore } from "./shared-store.ts";
import { Signal } from "./signal.ts";
import { storeFigures } from "./store-figures.ts";
import { VaultWatcher } from "./vault-watcher.ts";

/** Time (ms) for which credentials are read before clients can connect. */
const START_MS = 50;
/** Time (ms) for which credentials are read before clients have their turn. */
const SLICE_MS = 1;
/** Time (ms) after the start at which the daemon prepares for requests to issuers. */
const PREPARE_DELAY_MS = 250;

/** Credentials with all that keeps, changes, locks and reports them. Nothing here knows of clients. */
export class Core {
  readonly subscriptions = new Subscriptions();
  readonly issuerClocks: IssuerClocks;
  readonly registry: Registry;
  readonly observer: Observer;
  readonly lock: VaultLocker;
  readonly logind: Logind;
  readonly admin: Admin;
  readonly backup: Backup;
  readonly logins: LoginService;
  readonly tokenFiles: TokenFiles;
  /** The vault was locked. */
  readonly locked = new Signal();
  /** A person has changed something. */
  readonly changed = new Signal<EventPayload>();
  /** Problems of restricted sockets, by name. */
  readonly socketProblems = new Map<string, string>();
  /** Problem of the audit log; set by the front. */
  auditProblem: string | undefined;
  /** Writes down that a token goes to a file; set by the front. */
  auditTokenFile: TokenFilesOptions["audit"] = async () => {};
  /** The store that this host shares with others. */
  shared: SharedStore | undefined;
  /** For whoever adds, replaces and removes credentials: into a store as well, if there is one. */
  readonly #vault: Foundation["vault"];
  readonly #foundation: Foundation;
  readonly #importJournal: ImportJournal;
  readonly #watcher: VaultWatcher;
  #manifestProblem: string | undefined;
  #preparation: Timer | undefined;
  #isClosed = false;

  /** `shared`: present where records are shared with other hosts. */
  constructor(foundation: Foundation, shared?: SharedStore) {
    const { env, log, http, time, clock, events, rebuilt } = foundation;
    const vault = sharedVault(foundation.vault, {
      records: () => this.shared?.records,
      formerStore: () => this.registry.formerStore,
    });
    this.#foundation = foundation;
    this.shared = shared;
    this.#vault = vault;
    this.issuerClocks = new IssuerClocks(time);
    this.#importJournal = new ImportJournal({ dir: configDir(env), vault, log });
    this.registry = this.#createRegistry();
    this.#watcher = new VaultWatcher({
      vault: foundation.vault,
      registry: this.registry,
      time,
      log,
    });
    this.observer = this.#createObserver();
    this.lock = this.#createLock();
    this.logind = this.#createLogind();
    this.admin = this.#createAdmin();
    const { admin, registry } = this;
    this.logins = this.#createLogins();
    this.backup = new Backup({
      ...{ env, admin, importJournal: this.#importJournal, registry, vault, log },
    });
    this.tokenFiles = new TokenFiles({
      ...{ registry, changes: admin.changes, log, now: clock.wall, onEvent: events.emit },
      audit: (name, issued) => this.auditTokenFile(name, issued),
    });
    events.on((happened) => {
      this.observer.onEvent(happened);
      this.tokenFiles.onEvent(happened);
    });
    rebuilt.on(({ message, isSuspect }) => {
      if (isSuspect) this.#manifestProblem = message;
      const wanted = isSuspect ? {} : ({ wanted: true } as const);
      events.emit({ kind: "manifest_rebuilt", message, ...wanted });
    });
    if (shared) this.#connect(shared);
    else this.observer.onStore();
    this.locked.on(() => {
      http.reconnect();
      void this.shared?.sync.stop();
      this.logins.onLocked();
    });
  }

  /** Returns whether this daemon can serve. */
  health(): HealthResult {
    const { registry, auditProblem, shared } = this;
    const { configuration, vault } = this.#foundation;
    const settings = configuration.daemon;
    return healthOf({ settings, registry, auditProblem, shared, locked: vault.locked });
  }

  #connect({ records }: SharedStore): void {
    const { env, vault } = this.#foundation;
    const { registry, admin } = this;
    records.connect(sharedCredentials({ dir: configDir(env), registry, vault, admin }));
    records.connection.onOutcome = () => this.observer.onStore();
    registry.share(records);
  }

  /** Shares records from now on. Resolves when what the store has was taken over. */
  async attach(shared: SharedStore): Promise<void> {
    if (this.shared) this.shared.isLeft = true;
    this.shared = shared;
    this.#connect(shared);
    await shared.sync.start();
  }

  /** Shares records no more; all of them stay on this host. */
  async detach(): Promise<void> {
    const { shared } = this;
    if (shared) shared.isLeft = true;
    this.registry.share(undefined);
    this.shared = undefined;
    await shared?.sync.stop();
    this.observer.onStore();
  }

  /** Takes over the configuration of the start; of many credentials only the first are read. */
  async load(): Promise<void> {
    if (this.#importJournal.isPending()) {
      this.registry.apply(await this.#readConfiguration());
      return;
    }
    this.registry.open(this.#foundation.configuration);
    this.registry.readSome(START_MS);
  }

  /**
   * Reads the credentials that are left, in slices: until then each is read when a client asks for it. Then
   * begins what looks at all of them. Resolves when that is done, at once if nothing is left.
   */
  async finishStart(): Promise<void> {
    while (!this.registry.isRead && !this.#isClosed) {
      await turn();
      this.registry.readSome(SLICE_MS);
    }
    if (this.#isClosed) return;
    if (this.#foundation.vault.locked === undefined) void this.shared?.sync.start();
    this.tokenFiles.resume();
    await this.observer.start();
    this.#preparation = this.#foundation.clock.schedule(PREPARE_DELAY_MS, () => this.#prepare());
  }

  /** Prepares for the first token request, if a credential has no token: where all have one it costs 12 MB. */
  #prepare(): void {
    const { idle = 0, failing = 0 } = this.registry.states();
    // What can't be loaded fails with the first request.
    if (idle + failing > 0) import("./warm-up.ts").then(({ warmUp }) => warmUp()).catch(() => {});
  }

  /** Begins nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#preparation?.cancel();
    this.tokenFiles.close();
    this.registry.close();
    this.logins.close();
    this.logind.close();
  }

  #createRegistry(): Registry {
    const { env, clock, time, http, vault, log, events, configuration } = this.#foundation;
    const formerStore = this.shared ? undefined : formerStoreName(env);
    if (formerStore !== undefined) {
      const text = `this host shared the store ${formerStore}, and [store] is not in config.toml any more: refresh tokens of that store are not spent`;
      log.warn({}, text);
    }
    const deps = {
      formerStore,
      allowsExec: configuration.daemon.subjectExec === true,
      ...{ clock, time, http, vault, log, onEvent: events.emit },
      hostLimiter: new HostLimiter(),
      codes: new OneTimeCodes(() => this.registry.isRead),
      issuerClocks: this.issuerClocks,
      spendingRequests: new SpendingRequests(),
      candidates: {
        resolve: (name: string, text: string) => this.admin.reloader.settingsFrom(name, text),
        worked: (name: string) => this.#promote(name),
      },
    };
    return new Registry(deps, () => {
      if (this.registry.isRead) {
        this.observer.tick();
        this.tokenFiles.tick();
      }
      void this.#watcher.check();
      this.lock.tick();
    });
  }

  /** New secrets have worked: they replace the old ones, in a turn of their own. */
  #promote(name: string): void {
    const { log } = this.#foundation;
    const failed = (error: unknown) => log.error({ credential: name }, messageOf(error));
    setImmediate(() => void this.admin.trials.promote(name).catch(failed));
  }

  #createObserver(): Observer {
    const { env, clock, log, startedAt, configuration, vault } = this.#foundation;
    return new Observer({
      ...{ env, clock, log, startedAt, subscribers: this.subscriptions },
      stateDir: stateDir(env),
      settings: configuration.daemon,
      source: {
        credentials: () => this.registry.each(),
        needingAttention: () => this.registry.needingAttention(),
        states: () => this.registry.states(),
        isComplete: () => this.registry.isRead,
        info: (name) => (this.registry.hasAny(name) ? this.registry.info(name) : undefined),
        // A lock that somebody wanted is no problem.
        locked: () => (this.lock.isHeld ? undefined : vault.locked),
        manifest: () => this.#manifestProblem,
        audit: () => this.auditProblem,
        sockets: () => [...this.socketProblems.values()],
        health: () => this.health(),
        store: () => this.shared && storeFigures(this.shared),
      },
    });
  }

  #createLock(): VaultLocker {
    const { clock, time, vault, log, events, configuration } = this.#foundation;
    return new VaultLocker({
      ...{ clock, time, vault, registry: this.registry, log, onEvent: events.emit },
      afterMs: configuration.daemon.lockAfter,
      inTurn: (work) => this.admin.changes.runNext(work),
      onLocked: this.locked.emit,
      onOpened: async () => {
        await this.backup.resume();
        if (this.registry.isRead) void this.shared?.sync.start();
      },
    });
  }

  #createLogind(): Logind {
    const { env, clock, log, configuration } = this.#foundation;
    return new Logind({
      ...{ env, clock, log, events: configuration.daemon.lockOn ?? [] },
      lock: (event) =>
        this.lock.lock(LOCK_REASONS[event]).catch((error) => log.error({}, messageOf(error))),
    });
  }

  #createAdmin(): Admin {
    const { env, configuration, http, log, clock, events, welcome } = this.#foundation;
    const vault = this.#vault;
    return new Admin({
      ...{ env, configuration, registry: this.registry, vault, http, log, now: clock.wall },
      readConfiguration: () => this.#readConfiguration(),
      storeInUse: () => this.shared?.settings,
      assertOpen: () => this.lock.assertOpen(),
      onClosed: () => {
        welcome.guests = undefined;
      },
      onEvent: (happened) => {
        events.emit(happened);
        this.changed.emit(happened);
      },
    });
  }

  #createLogins(): LoginService {
    const { env, clock, time, events } = this.#foundation;
    const { registry, admin } = this;
    return new LoginService({
      ...{ env, clock, time, registry, changes: admin.changes },
      onEvent: (happened) => {
        events.emit(happened);
        this.changed.emit(happened);
      },
    });
  }

  async #readConfiguration(): Promise<Configuration> {
    const { env, welcome } = this.#foundation;
    const load = () => loadConfiguration({ dir: configDir(env), env });
    const read = await this.#importJournal.configuration(load);
    this.observer.reloaded(read.daemon);
    welcome.guests = read.daemon.guests;
    this.lock.configure(read.daemon.lockAfter);
    return read;
  }
}
