import { closeSync } from "node:fs";
import { libc } from "../../base/libc.ts";
import type { Peer } from "../../rpc/peer.ts";
import { startTimeOf } from "./linux.ts";
import { START_TIME_TOLERANCE_MS } from "./processes.ts";

/** Each takes a file descriptor; daemon/fd-limit.ts leaves room for them. */
const MAX_LIVE_PROCESSES = 16;

/** One process, held by a pidfd (Linux, pidfd_open(2)): while it runs, its number stands for no other. */
export class LiveProcess<Facts> {
  /** What the owner has found out about this process. */
  facts: Facts | undefined = undefined;
  readonly #pidfd: number;
  readonly #startedAt: number;

  /** `startedAt` is in boot time (ms). */
  constructor(pidfd: number, startedAt: number) {
    this.#pidfd = pidfd;
    this.#startedAt = startedAt;
  }

  /** False if the peer is an earlier process of this number, which has ended. */
  hasStartedBefore({ connectedAt }: Peer): boolean {
    return this.#startedAt <= connectedAt + START_TIME_TOLERANCE_MS;
  }

  /** True if the process has not ended: everything that was read under its number is about it. */
  isRunning(): boolean {
    pollFd[0] = this.#pidfd;
    pollEvents[REQUESTED] = POLLIN;
    return libc("int poll(void *, unsigned long, int)")?.(pollFd, 1, 0) === 0;
  }

  close(): void {
    closeSync(this.#pidfd);
  }
}

/** struct pollfd, poll(2): a pidfd is readable once its process has ended. */
const pollFd = new Int32Array(2);
const pollEvents = new Int16Array(pollFd.buffer);
const REQUESTED = 2;
const POLLIN = 1;

/** Holds the processes that were met last, each until another comes after its end, or so many others. */
export class LiveProcesses<Facts> {
  readonly #byPid = new Map<number, LiveProcess<Facts>>();

  /** Returns undefined if the process has ended, or if its kernel has no pidfd for peers (before Linux 6.5). */
  of(peer: Peer): LiveProcess<Facts> | undefined {
    const process = this.#byPid.get(peer.pid) ?? this.#open(peer);
    return process?.hasStartedBefore(peer) ? process : undefined;
  }

  #open(peer: Peer): LiveProcess<Facts> | undefined {
    const { pid } = peer;
    const descriptor = peer.pidfd?.();
    if (typeof descriptor !== "number") return undefined;
    const startedAt = startTimeOf(pid);
    if (startedAt === undefined) {
      closeSync(descriptor);
      return undefined;
    }
    const process = new LiveProcess<Facts>(descriptor, startedAt);
    for (const [other, held] of this.#byPid) if (!held.isRunning()) this.drop(other);
    this.#byPid.set(pid, process);
    const [oldest] = this.#byPid.keys();
    if (this.#byPid.size > MAX_LIVE_PROCESSES && oldest !== undefined) this.drop(oldest);
    return process;
  }

  /** Forgets a process that has ended. */
  drop(pid: number): void {
    this.#byPid.get(pid)?.close();
    this.#byPid.delete(pid);
  }
}
