import type * as net from "node:net";
import { version } from "../base/version.ts";
import { messageOf } from "../errors.ts";
import { defaultSocketPath, type Listening, listen, listenActivated } from "../rpc/socket.ts";
import type { VaultOptions } from "../vault/index.ts";
import { Core } from "./core.ts";
import { type Foundation, openFoundation } from "./foundation.ts";
import { Front } from "./front.ts";
import { LastAnswers } from "./last-answers.ts";
import { createNotifier } from "./notify.ts";
import type { SharedStore } from "./shared-store.ts";
import { closeUnstarted, shutDown } from "./shut-down.ts";

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

/**
 * Puts the daemon together in layers, each of which knows those before it: the foundation (settings, vault,
 * network), the core (credentials) and the front (clients).
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const notifier = createNotifier(options.env);
  const foundation = await openFoundation(options);
  const { core, front, listening } = await openLayers(foundation);

  const { log, clock } = foundation;
  const { registry, admin } = core;
  const { watchdogMs } = notifier;
  const watchdog =
    watchdogMs === undefined ? undefined : setInterval(() => notifier.ping(), watchdogMs);
  const lastAnswers = new LastAnswers({ clock, registry, log, notifier });
  let closing: Promise<readonly string[]> | undefined;
  let onEnd: (losers: Promise<readonly string[]>) => void = () => {};
  const ended = new Promise<readonly string[]>((resolve) => {
    onEnd = resolve;
  });
  const close = async () => {
    if (!closing) {
      notifier.stopping();
      closing = shutDown(foundation, core, front, listening, lastAnswers);
      onEnd(closing.finally(() => clearInterval(watchdog)));
    }
    await closing;
  };
  front.endRequested.on(() => void close());
  const endWith = (error: unknown) => {
    log.error({}, `the credentials could not be read: ${messageOf(error)}`);
    void close();
  };

  try {
    begin(foundation, core, front);
    const finished = core.finishStart();
    if (registry.isRead) await finished;
    else finished.catch((error) => endWith(error));
  } catch (error) {
    // Clients may have been served by now.
    await close();
    throw error;
  }
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

/** Returns the store that config.toml names, without a connection to it. What stores need is loaded for that alone. */
async function storeOf(foundation: Foundation): Promise<SharedStore | undefined> {
  const { store } = foundation.configuration.daemon;
  if (!store) return undefined;
  const { prepareStore } = await import("./shared-store.ts");
  return await prepareStore(foundation, store);
}

/** Rejects with all layers closed, the foundation too, if one can't be made or nothing can be listened on. */
async function openLayers(foundation: Foundation) {
  let core: Core | undefined;
  let front: Front | undefined;
  try {
    core = new Core(foundation, await storeOf(foundation));
    await core.load();
    front = await Front.create(foundation, core);
    const { env, configuration } = foundation;
    const { socketGid } = configuration.daemon;
    const listening = await listenSomehow(front.server.net, env, socketGid);
    const restricted = await listenRestricted(foundation, core, front);
    return {
      core,
      front,
      listening: { ...listening, release: releaseAll([listening, ...restricted]) },
    };
  } catch (error) {
    await closeUnstarted(foundation, core, front);
    throw error;
  }
}

/** Listens on every restricted socket. One that can't be listened on is a problem, and no reason not to start. */
async function listenRestricted(
  { log, configuration }: Foundation,
  core: Core,
  front: Front,
): Promise<Listening[]> {
  const listening: Listening[] = [];
  for (const socket of configuration.daemon.sockets ?? []) {
    try {
      listening.push(await front.listenRestricted(socket));
    } catch (error) {
      const message = `the socket ${socket.name} can't be used: ${messageOf(error)}`;
      log.error({}, message);
      core.socketProblems.set(socket.name, message);
    }
  }
  return listening;
}

/** Releases all, whatever becomes of one. */
function releaseAll(all: readonly Listening[]): () => void {
  return () => {
    const failures = all.flatMap(({ release }) => {
      try {
        release();
        return [];
      } catch (error) {
        return [error];
      }
    });
    if (failures.length > 0) throw failures[0];
  };
}

/** Starts what is due, and tells of the start. */
function begin({ log, vault, events }: Foundation, core: Core, { audit }: Front) {
  core.registry.tick();
  if (vault.locked !== undefined) {
    log.warn({}, `the vault is locked: ${vault.locked}`);
    events.emit({ kind: "vault_locked", message: vault.locked });
  }
  events.emit({ kind: "started", message: `authd ${version}, pid ${process.pid}` });
  audit.note({ event: "daemon", outcome: "started", version, pid: process.pid });
}

/** Listens on the socket that the service manager holds, or on one of its own. */
async function listenSomehow(
  server: net.Server,
  env: NodeJS.ProcessEnv,
  gid: number | undefined,
): Promise<Listening> {
  const path = defaultSocketPath(env);
  return (await listenActivated(server, env))
    ? { path, release: () => {} }
    : await listen(server, path, { gid });
}
