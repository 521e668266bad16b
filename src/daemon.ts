import type * as net from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Admin } from "./admin.ts";
import { configDir, loadConfiguration, stateDir } from "./config.ts";
import { Lanes } from "./credential/lanes.ts";
import type { CredentialRecord } from "./credential/record.ts";
import { messageOf } from "./errors.ts";
import { createHttp } from "./http.ts";
import { createLog } from "./log.ts";
import { expectCredentials } from "./memory.ts";
import { methods } from "./methods.ts";
import { createNotifier } from "./notify.ts";
import { assertOwnPeer } from "./peer.ts";
import type { StatusResult } from "./protocol.ts";
import { Registry } from "./registry.ts";
import { createServer } from "./server.ts";
import { defaultSocketPath, type Listening, listen, listenActivated } from "./socket.ts";
import { Subscriptions } from "./subscriptions.ts";
import { systemClock } from "./system-clock.ts";
import { Timekeeper } from "./timekeeper.ts";
import { openVault, type VaultOptions } from "./vault/index.ts";
import { version } from "./version.ts";

/** What is in flight may take this long (ms) to end after SIGTERM. */
const GRACE = 5_000;

export interface DaemonOptions {
  env: NodeJS.ProcessEnv;
  /** Asks the person who started the daemon. */
  passphrase?: NonNullable<VaultOptions["passphrase"]>;
}

export interface Daemon {
  readonly socket: string;
  reload(): Promise<void>;
  /** Finishes what is in flight, 5 s at most; a second call waits for the first. */
  close(): Promise<void>;
  /** Resolves when the daemon has ended, whoever asked for it. */
  readonly ended: Promise<void>;
}

/** Puts the daemon together: the one place that names the real clock, log, vault and network. */
export async function startDaemon({ env, passphrase }: DaemonOptions): Promise<Daemon> {
  const startedAt = Date.now();
  const notifier = createNotifier(env);
  const configuration = loadConfiguration({
    dir: configDir(env),
    env,
    onCount: expectCredentials,
  });
  const log = createLog(configuration.daemon.logLevel);
  for (const { file, message } of configuration.errors) log.error({ file }, message);

  const vault = await openVault<CredentialRecord>({
    dir: join(stateDir(env), "vault"),
    keySource: configuration.daemon.vaultKey,
    env,
    log: { info: (text) => log.info({}, text), warn: (text) => log.warn({}, text) },
    ...(passphrase ? { passphrase } : {}),
  });
  const { proxy, maxConnections } = configuration.daemon;
  const http = createHttp(proxy === undefined ? {} : { proxy });
  const clock = systemClock();
  const subscriptions = new Subscriptions();
  const around = {
    clock,
    time: new Timekeeper(clock),
    http,
    lanes: new Lanes(),
    vault,
    log,
    onEvent: (event: Parameters<Subscriptions["publish"]>[0]) => subscriptions.publish(event),
  };
  let unlocking = false;
  const registry = new Registry(around, () => {
    if (vault.locked === undefined || unlocking) return;
    unlocking = true;
    lookForKey()
      .catch((error) => log.error({}, messageOf(error)))
      .finally(() => {
        unlocking = false;
      });
  });
  const lookForKey = async () => {
    if (!(await vault.unlock().catch(() => false))) return;
    log.info({}, "the vault's key is there: the vault is open");
    registry.loadAll();
  };
  registry.apply(configuration);

  const admin = new Admin({ env, configuration, registry, vault, http, log });
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
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
    pendingRefreshes: registry.flights,
  });
  const server = createServer({
    handlers: methods({
      registry,
      admin,
      http,
      subscriptions,
      status,
      shutdown: () => void close(),
    }),
    log,
    authorize: assertOwnPeer,
    limits: { connections: maxConnections },
  });
  const listening = await listenSomehow(server.net, env).catch(async (error) => {
    registry.close();
    await http.close();
    await vault.close();
    throw error;
  });

  const watchdog =
    notifier.watchdogMs === undefined
      ? undefined
      : setInterval(() => notifier.ping(), notifier.watchdogMs);
  const shutDown = async () => {
    const deadline = clock.monotonic() + GRACE;
    notifier.stopping();
    registry.close();
    listening.release();
    await server.close(GRACE);
    while (registry.flights > 0 && clock.monotonic() < deadline) await sleep(20);
    await http.close();
    await vault.close();
    clearInterval(watchdog);
    log.info({}, "stopped");
    end();
  };

  registry.tick();
  if (vault.locked !== undefined) log.warn({}, `the vault is locked: ${vault.locked}`);
  notifier.ready();
  return {
    socket: listening.path,
    ended,
    close,
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

/** On the socket that the service manager holds for us, or on one of our own. */
async function listenSomehow(server: net.Server, env: NodeJS.ProcessEnv): Promise<Listening> {
  const path = defaultSocketPath(env);
  return (await listenActivated(server, env))
    ? { path, release: () => {} }
    : await listen(server, path);
}
