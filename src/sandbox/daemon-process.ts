import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MAIN } from "../base/package-path.ts";
import { removeFolder } from "../base/remove-folder.ts";
import type { Client } from "../client.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { interruptible } from "./interrupt.ts";

const READY_MS = 10_000;
/** Time after which the daemon is killed: it completes pending requests within 5 s. */
const FAREWELL_MS = 7_000;
/** Variables of a service manager that the child must not inherit. */
const NOT_INHERITED = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"];

/** A daemon as a child process that writes its log to a file. */
export interface DaemonProcess {
  readonly pid: number | undefined;
  /** Resolves with the exit code; null if it was killed. */
  readonly ended: Promise<number | null>;
  log(): string;
  /** Waits until the daemon answers `client`. Rejects if it ends first, takes too long, or is aborted. */
  ready(client: Client, signal: AbortSignal): Promise<void>;
  /** Ends the daemon, kills it if that takes too long, then removes its folder. */
  putAway(): Promise<number | null>;
}

/** Starts `authd serve` with these variables. Its `folder` is removed however this process ends. */
export function startDaemonProcess(
  folder: string,
  settings: Record<string, string>,
): DaemonProcess {
  const logFile = join(folder, "daemon.log");
  const child = spawnInto(logFile, settings);
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
    // Without a process, `ready` rejects.
    child.once("error", () => resolve(null));
  });
  const isOver = () =>
    child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  const log = () => readFileSync(logFile, "utf8");
  // Handles an end without warning: an uncaught error, or standard output closed by its reader.
  const lastResort = () => {
    child.kill("SIGKILL");
    removeFolder(folder);
  };
  process.once("exit", lastResort);
  return {
    pid: child.pid,
    ended,
    log,
    async ready(client, signal) {
      const deadline = performance.now() + READY_MS;
      for (;;) {
        try {
          await interruptible(client.request("status", {}), signal);
          return;
        } catch (cause) {
          signal.throwIfAborted();
          if (isOver() || performance.now() > deadline) throw notReady(isOver(), log(), cause);
        }
        await sleep(20);
      }
    },
    async putAway() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), FAREWELL_MS);
      const code = await ended;
      clearTimeout(kill);
      removeFolder(folder);
      process.removeListener("exit", lastResort);
      return code;
    },
  };
}

function spawnInto(logFile: string, settings: Record<string, string>) {
  const env: NodeJS.ProcessEnv = { ...process.env, ...settings };
  for (const name of NOT_INHERITED) delete env[name];
  const output = openSync(logFile, "a", 0o600);
  try {
    const stdio = ["ignore" as const, output, output];
    // Ctrl-C goes to the terminal's process group: the daemon is in another, and is ended last.
    const detached = process.platform !== "win32";
    return spawn(process.execPath, [MAIN, "serve"], { env, stdio, detached });
  } finally {
    closeSync(output);
  }
}

function notReady(isOver: boolean, log: string, cause: unknown): AuthdError {
  const how = isOver ? "ended at once" : `does not answer (${messageOf(cause)})`;
  const said = log.trim().split("\n").slice(-5).join("\n");
  return new AuthdError("internal", `The sandbox's daemon ${how}. It said: ${said}`, { cause });
}
