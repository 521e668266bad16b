import { randomBytes } from "node:crypto";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect } from "../client.ts";
import { startDaemonProcess } from "./daemon-process.ts";
import { type PracticeApis, type PracticeName, startPracticeApis } from "./index.ts";
import { interruptible } from "./interrupt.ts";

/** A daemon with four practice APIs and a credential for each, all in one folder. */
export interface Playground {
  readonly apis: PracticeApis;
  readonly folder: string;
  readonly socket: string;
  readonly configDir: string;
  readonly stateDir: string;
  /** Socket of the daemon. */
  readonly pid: number;
  readonly client: Client;
  /** Resolves with the daemon's exit code. */
  readonly ended: Promise<number | null>;
  /** Returns what the daemon has logged so far. */
  log(): string;
  /** Ends the daemon and the APIs, and removes the folder. Resolves with the daemon's exit code. */
  close(): Promise<number | null>;
}

export interface PlaygroundOptions {
  /** Lifetimes in seconds. */
  lifetimes: Partial<Record<PracticeName, number>>;
  /** Log level of the daemon. */
  logLevel: string;
  /** Aborts the start. */
  signal: AbortSignal;
}

/** Starts everything. Leaves nothing behind if it rejects. */
export async function openPlayground(options: PlaygroundOptions): Promise<Playground> {
  const { signal, lifetimes, logLevel } = options;
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "authd-sandbox-")));
  const socket = socketIn(folder);
  const configDir = join(folder, "config");
  const stateDir = join(folder, "state");
  const daemon = startDaemonProcess(folder, {
    AUTHD_SOCKET: socket,
    AUTHD_CONFIG_DIR: configDir,
    AUTHD_STATE_DIR: stateDir,
    AUTHD_VAULT_KEY: "file",
    AUTHD_LOG_LEVEL: logLevel,
  });
  const client = connect({ socket, clientName: "authd sandbox" });
  const apis = await startPracticeApis({ lifetimes });
  const close = async () => {
    client.close();
    await Promise.all(Object.values(apis).map((api) => api.close()));
    return daemon.putAway();
  };
  try {
    await daemon.ready(client, signal);
    await interruptible(addCredentials(client, apis), signal);
  } catch (error) {
    await close();
    throw error;
  }
  const { ended, log } = daemon;
  const pid = daemon.pid!;
  return { apis, folder, socket, configDir, stateDir, pid, client, ended, log, close };
}

function socketIn(folder: string): string {
  return process.platform === "win32"
    ? `\\\\.\\pipe\\authd-sandbox-${randomBytes(6).toString("hex")}`
    : join(folder, "authd.sock");
}

async function addCredentials(client: Client, apis: PracticeApis): Promise<void> {
  for (const [name, { credential }] of Object.entries(apis)) {
    // Refreshes tokens also while nobody uses them, so that there is something to watch.
    const settings = { ...credential.settings, warm: "always" };
    await client.request("credentials/add", { name, ...credential, settings });
  }
}
