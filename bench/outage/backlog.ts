/** A port of loopback that swallows connections: a process that listens there, but stands still. */
import { fork } from "node:child_process";
import { once } from "node:events";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Bench } from "../helpers/bench.ts";

/** A connection that has not come about after so long (ms) never will: its packets are dropped. */
const DROPPED = 300;

/** Resolves with what frees the port, when nobody gets a connection there any more. Linux. */
export async function fillBacklog(bench: Bench, port: number): Promise<() => Promise<void>> {
  const child = fork(fileURLToPath(new URL("stuck-listener.js", import.meta.url)), [String(port)]);
  bench.defer(() => child.kill("SIGKILL"));
  await once(child, "message");
  child.kill("SIGSTOP");
  const sockets: net.Socket[] = [];
  // The kernel takes one or two for a backlog of 1, and the daemon may have been sooner.
  for (let isFull = false; !isFull; ) {
    const socket = net.connect(port, "127.0.0.1").on("error", () => {});
    sockets.push(socket);
    const connected = once(socket, "connect").then(() => false);
    connected.catch(() => {});
    isFull = await Promise.race([connected, sleep(DROPPED, true)]);
  }
  return async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    for (const socket of sockets) socket.destroy();
  };
}
