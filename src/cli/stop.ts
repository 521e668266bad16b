import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { AuthdError, errorCode } from "../errors.ts";
import type { StatusResult } from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../rpc/daemon-connection.ts";
import { clientSocketPath } from "../rpc/socket.ts";
import { connectToDaemon } from "./call-daemon.ts";
import { print } from "./output.ts";

/** Longer than the daemon waits for an issuer's answer to a refresh token that may be spent once. */
const MAX_WAIT_MS = 140_000;
/** Without such a request the daemon ends within 5 s. */
const WAIT_NOTICE_DELAY_MS = 6_000;
const POLL_MS = 50;

export function define(command: Command): void {
  command.action(stop);
}

export const examples = ["authd stop"];

/** Returns when the daemon's process is gone. */
async function stop(): Promise<void> {
  const connection = await connectToDaemon();
  try {
    await stopBy(connection);
  } finally {
    connection.destroy();
  }
}

async function stopBy(connection: DaemonConnection): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    connection.onClose = resolve;
  });
  connection.hold(true);
  const { pid } = (await connection.request("status", {})) as StatusResult;
  await shutDown(connection);
  const timer = setTimeout(tellOfWait, WAIT_NOTICE_DELAY_MS);
  const deadline = performance.now() + MAX_WAIT_MS;
  await Promise.race([closed, sleep(MAX_WAIT_MS, undefined, { ref: false })]);
  while (isRunning(pid) && performance.now() < deadline) await sleep(POLL_MS);
  clearTimeout(timer);
  if (isRunning(pid)) {
    const seconds = MAX_WAIT_MS / 1000;
    throw new AuthdError("timeout", `authd (process ${pid}) has not ended within ${seconds} s`);
  }
  print(`authd (process ${pid}) has ended.`);
  if (process.platform !== "win32" && existsSync(clientSocketPath())) {
    print(
      "Its socket is the service manager's: the next program that asks starts authd again, until " +
        "systemctl --user stop authd.socket.",
    );
  }
}

/** A connection that ends before the answer comes is an answer, too. */
async function shutDown(connection: DaemonConnection): Promise<void> {
  try {
    await connection.request("shutdown", { daemon: true });
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
  }
}

function tellOfWait(): void {
  process.stderr.write(
    "authd: it waits for an issuer's answer to a refresh token, 120 s at most\n",
  );
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process can't be sent a signal, but is there.
    return errorCode(error) === "EPERM";
  }
  return !isZombie(pid);
}

/** True for a zombie: the process has ended, and its parent has not read its exit code (proc_pid_stat(5)). */
function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.[0] === "Z";
  } catch {
    return true;
  }
}
