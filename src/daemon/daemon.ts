import type * as net from "node:net";
import { join } from "node:path";
import { createAccess } from "../access/create-access.ts";
import { Admin } from "../admin/admin.ts";
import { Backup } from "../admin/backup.ts";
import { ImportJournal } from "../admin/import-journal.ts";
import { logRuleWarnings } from "../admin/reloader.ts";
import { Audit } from "../audit/audit.ts";
import { createLog, type Log } from "../base/log.ts";
import { Timekeeper } from "../base/timekeeper.ts";
import { enableJitForManyCredentials } from "../base/v8-flags.ts";
import { version } from "../base/version.ts";
import { configDir, loadConfiguration, stateDir } from "../config/config.ts";
import { HostLimiter } from "../credential/host-limiter.ts";
import { OneTimeCodes } from "../credential/one-time-codes.ts";
import { type CredentialRecord, isGuarded } from "../credential/record.ts";
import { Registry } from "../credential/registry.ts";
import { SpendingRequests } from "../credential/spending-requests.ts";
import { messageOf } from "../errors.ts";
import { createHttp } from "../http/http.ts";
import { IssuerClocks } from "../http/issuer-clock.ts";
import { LOCK_REASONS } from "../lock/lock-errors.ts";
import { Logind } from "../lock/logind.ts";
import { vaultLockInterceptor } from "../lock/vault-lock-interceptor.ts";
import { VaultLocker } from "../lock/vault-locker.ts";
import { Observer } from "../observe/observe.ts";
import type { EventPayload, StatusResult, Unsaved } from "../protocol.ts";
import { compose } from "../rpc/compose.ts";
import { CpuBudgets } from "../rpc/cpu-budget.ts";
import { assertWelcome, isWelcome } from "../rpc/peer.ts";
import { createServer, DEFAULT_LIMITS } from "../rpc/server.ts";
import { defaultSocketPath, type Listening, listen, listenActivated } from "../rpc/socket.ts";
import { Subscriptions } from "../rpc/subscriptions.ts";
import { openVault, type Rebuilt, type VaultOptions } from "../vault/index.ts";
import { callerInterceptor } from "./caller-interceptor.ts";
import { clampToFdLimit, descriptorLimit, descriptorsFor } from "./fd-limit.ts";
import { GRACE, LastAnswers } from "./last-answers.ts";
import { methods } from "./methods.ts";
import { createNotifier } from "./notify.ts";
import { systemClock } from "./system-clock.ts";
import { withUploads } from "./upload-methods.ts";
import { VaultWatcher } from "./vault-watcher.ts";

export interface DaemonOptions {
  env: NodeJS.ProcessEnv;
  /** Asks the person who started the daemon. */
  passphrase?: NonNullable<VaultOptions["passphrase"]>;
}

export interface Daemon {
  readonly socket: string;
  reload(): Promise<void>;
  /**
   * Finishes what clients wait for, 5 s at most, and requests that spend a rotating refresh token, 120 s
   * at most; a second call waits for the first.
   */
  close(): Promise<void>;
  /** Ends the wait of `close` for an issuer; a session may be lost by it. */
  giveUp(): void;
  /**
   * Resolves when the daemon has ended, whoever asked for it, with the names of the credentials that
   * lost secrets by it, because the disk did not take them.
   */
  readonly ended: Promise<readonly string[]>;
}

/** Puts the daemon together: the one place that names the real clock, log, vault and network. */
export async function startDaemon({ env, passphrase }: DaemonOptions): Promise<Daemon> {
  const startedAt = Date.now();
  const notifier = createNotifier(env);
  const configuration = loadConfiguration({
    dir: configDir(env),
    env,
    onCount: enableJitForManyCredentials,
  });
  const log = createLog(configuration.daemon.logLevel);
  for (const { file, message } of configuration.errors) log.error({ file }, message);
  logRuleWarnings(configuration, log);

  const vault = await openVault<CredentialRecord>({
    dir: join(stateDir(env), "vault"),
    keySource: configuration.daemon.vaultKey,
    env,
    isGuarded,
    onRebuilt: (told) => manifestRebuilt(told),
    log: { info: (text) => log.info({}, text), warn: (text) => log.warn({}, text) },
    ...(passphrase ? { passphrase } : {}),
  });
  const { proxy, maxConnections, socketGid } = configuration.daemon;
  let { guests } = configuration.daemon;
  const http = createHttp(proxy === undefined ? {} : { proxy });
  const clock = systemClock();
  const subscriptions = new Subscriptions();
  const time = new Timekeeper(clock, () => http.reconnect());
  const around = {
    clock,
    time,
    http,
    hostLimiter: new HostLimiter(),
    codes: new OneTimeCodes(),
    issuerClocks: new IssuerClocks(time),
    spendingRequests: new SpendingRequests(),
    vault,
    log,
    candidates: {
      resolve: (name: string, text: string) => admin.reloader.settingsFrom(name, text),
      worked: (name: string) => {
        const failed = (error: unknown) => log.error({ credential: name }, messageOf(error));
        setImmediate(() => void admin.trials.promote(name).catch(failed));
      },
    },
    onEvent: (happened: EventPayload) => observer.onEvent(happened),
  };
  const registry: Registry = new Registry(around, () => {
    observer.tick();
    void guard.check();
    lock.tick();
  });
  const guard = new VaultWatcher({ vault, registry, time: around.time, log });
  const lock = new VaultLocker({
    ...{ clock, time: around.time, vault, registry, log, onEvent: around.onEvent },
    afterMs: configuration.daemon.lockAfter,
    inTurn: (work) => admin.changes.runNext(work),
    onLocked: () => {
      approvals.queue.forgetAll();
      http.reconnect();
    },
    onOpened: () => backup.resume(),
  });
  const observer = new Observer({
    ...{ env, clock, log, startedAt, subscribers: subscriptions },
    stateDir: stateDir(env),
    settings: configuration.daemon,
    source: {
      credentials: () => registry.each(),
      needingAttention: () => registry.needingAttention(),
      states: () => registry.states(),
      info: (name) => (registry.hasAny(name) ? registry.info(name) : undefined),
      // What somebody wanted is no problem.
      locked: () => (lock.isHeld ? undefined : vault.locked),
      manifest: () => lostManifest,
      audit: () => audit.problem,
    },
  });
  let lostManifest: string | undefined;
  const manifestRebuilt = ({ message, isSuspect }: Rebuilt) => {
    if (isSuspect) lostManifest = message;
    observer.onEvent({ kind: "manifest_rebuilt", message, ...(isSuspect ? {} : { wanted: true }) });
    if (isSuspect) audit.note({ event: "daemon", outcome: "manifest_rebuilt" });
  };
  const assertOpen = () => lock.assertOpen();
  const importJournal = new ImportJournal({ dir: configDir(env), vault, log });
  const readConfiguration = async () => {
    const load = () => loadConfiguration({ dir: configDir(env), env });
    const read = await importJournal.configuration(load);
    observer.reloaded(read.daemon);
    guests = read.daemon.guests;
    lock.configure(read.daemon.lockAfter);
    return read;
  };

  const admin = new Admin({
    ...{ env, configuration, readConfiguration, registry, vault, http, log, assertOpen },
    now: clock.wall,
    onClosed: () => {
      guests = undefined;
    },
    onEvent: (happened) => {
      around.onEvent(happened);
      if (happened.kind === "reloaded") server.dismiss((peer) => isWelcome(peer, guests));
      // What a person said was about the rules as they were.
      if (happened.credential !== undefined) approvals.queue.forgetAbout(happened.credential);
    },
  });
  registry.apply(importJournal.isPending() ? await readConfiguration() : configuration);
  const backup = new Backup({ env, admin, importJournal, registry, vault, log });
  let end: (losers: readonly string[]) => void = () => {};
  const ended = new Promise<readonly string[]>((resolve) => {
    end = resolve;
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= shutDown();
    return closing;
  };
  const status = (): StatusResult => ({
    version,
    pid: process.pid,
    startedAt,
    socket: listening.path,
    vaultKey: vault.keySource,
    credentials: registry.size,
    connections: server.connections,
    pendingRefreshes: registry.pendingRefreshes,
    unsaved: registry.unsaved,
    ...observer.overview(),
    lock: { ...lock.status, on: logind.status },
    approvals: approvals.promptLocation,
    clock: around.issuerClocks.compare(),
  });
  const budgets = new CpuBudgets();
  const { access, approvals, identities } = createAccess({
    ...{ env, clock, log, admin },
    passphrase: () =>
      vault.keySource === "passphrase"
        ? (given, { peer }) => lock.isPassphrase(given, peer)
        : undefined,
    guestsAnswer: () => guests?.answerOwn === true,
    onNoPrompt: (question, text) => observer.onQuestion(question, text),
    onAudit: (question, answer) => audit.noteQuestion(question, answer),
    lookUp: (look) => budgets.onceAConnection(look),
  });
  const audit: Audit = new Audit({
    ...{ identities, log, now: clock.wall },
    path: join(stateDir(env), "audit.log"),
    mode: configuration.daemon.audit ?? "on",
    derive: (purpose) => vault.derive(purpose),
    bootId: clock.bootId,
    onProblem: (message) =>
      observer.onEvent(
        message === undefined ? { kind: "audit_written" } : { kind: "audit_failed", message },
      ),
  });
  const interceptors = [
    await observer.metricsInterceptor(),
    audit.interceptor,
    vaultLockInterceptor(lock, registry, access),
    callerInterceptor(access, approvals, registry),
  ];
  const handlers = methods({
    ...{ registry, admin, backup, http, subscriptions, status },
    ...{ access, approvals, lock },
    auditHead: () => audit.head(),
    events: (query) => observer.events(query),
    shutdown: () => void close(),
  });
  const server = createServer({
    handlers: withUploads(compose(interceptors, handlers)),
    log,
    authorize: (socket) => audit.auditConnect(socket, () => assertWelcome(socket, guests)),
    admission: {
      mayAsk: (client) => access.mayUseAny(registry.all(), client),
      refused: (client, asked) => audit.refused(client, asked),
    },
    budgets,
    limits: limitsFor(maxConnections, log),
  });
  const logind = new Logind({
    ...{ env, clock, log, events: configuration.daemon.lockOn ?? [] },
    lock: (event) =>
      lock.lock(LOCK_REASONS[event]).catch((error) => log.error({}, messageOf(error))),
  });
  const listening = await listenSomehow(server.net, env, socketGid).catch(async (error) => {
    logind.close();
    registry.close();
    await http.close();
    await vault.close();
    throw error;
  });

  const watchdog =
    notifier.watchdogMs === undefined
      ? undefined
      : setInterval(() => notifier.ping(), notifier.watchdogMs);
  const lastAnswers = new LastAnswers({ clock, registry, log, notifier });
  const shutDown = async () => {
    const toldAt = clock.monotonic();
    notifier.stopping();
    observer.onEvent({ kind: "stopping" });
    registry.close();
    approvals.close();
    logind.close();
    listening.release();
    await server.close(GRACE);
    await lastAnswers.wait(toldAt);
    await http.close();
    const losers = await sealForTheLastTime(registry, log);
    audit.note({ event: "daemon", outcome: "stopped", pid: process.pid });
    await audit.close();
    await vault.close();
    await observer.close();
    clearInterval(watchdog);
    log.info({}, "stopped");
    end(losers);
  };

  registry.tick();
  if (vault.locked !== undefined) {
    log.warn({}, `the vault is locked: ${vault.locked}`);
    observer.onEvent({ kind: "vault_locked", message: vault.locked });
  }
  await observer.start();
  observer.onEvent({ kind: "started", message: `authd ${version}, pid ${process.pid}` });
  audit.note({ event: "daemon", outcome: "started", version, pid: process.pid });
  notifier.ready();
  return {
    socket: listening.path,
    ended,
    close,
    giveUp: () => lastAnswers.giveUp(),
    async reload() {
      notifier.reloading();
      try {
        const { changed } = await admin.reload();
        log.info({ changed }, "reloaded");
      } catch (error) {
        log.error({}, `the configuration could not be read again: ${messageOf(error)}`);
      }
      notifier.ready();
    },
  };
}

/** As many clients as were asked for, if the system lets us have as many file descriptors. */
function limitsFor(maxConnections: number, log: Log) {
  const limit = descriptorLimit();
  const { answers } = DEFAULT_LIMITS;
  const limits = clampToFdLimit({ connections: maxConnections, answers }, limit);
  if (limits.connections < maxConnections) {
    const text = `max_connections = ${maxConnections} takes ${descriptorsFor(maxConnections)} file descriptors, and the system allows ${limit}: ${limits.connections} clients are served at once. Raise the limit (ulimit -Hn, LimitNOFILE=).`;
    log.warn({}, text);
  }
  return limits;
}

/** What the disk does not take even now is lost. Returns the names of those that lose more than tokens. */
async function sealForTheLastTime(registry: Registry, log: Log): Promise<string[]> {
  const losers: string[] = [];
  for (const [name, { atRisk, message }] of await registry.sealAgain()) {
    if (atRisk === "secrets") losers.push(name);
    log.error({ credential: name, lost: atRisk }, `${name}: ${LOSS[atRisk]}. ${message}`);
  }
  return losers;
}

const LOSS: Readonly<Record<Unsaved["atRisk"], string>> = {
  secrets:
    "authd ends, and what the issuer gave last is lost with it; if the next start is refused, sign in again and run authd set",
  tokens: "authd ends, and its tokens are lost with it; others are obtained at the next start",
};

/** On the socket that the service manager holds for us, or on one of our own. */
async function listenSomehow(
  server: net.Server,
  env: NodeJS.ProcessEnv,
  gid: number | undefined,
): Promise<Listening> {
  const path = defaultSocketPath(env);
  return (await listenActivated(server, env))
    ? { path, release: () => {} }
    : await listen(server, path, gid);
}
