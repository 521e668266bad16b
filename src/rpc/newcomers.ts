import type { Socket } from "node:net";
import type { CpuBudget } from "./cpu-budget.ts";
import type { Peer } from "./peer.ts";

/** Connections of one client that wait; more are rejected. */
const MAX_OF_ONE_CLIENT = 128;

interface Newcomer {
  readonly peer: Peer | undefined;
  readonly budget: CpuBudget;
  readonly timer: NodeJS.Timeout;
}

/** Connections that are not served before the CPU budget of their client has come back. */
export class Newcomers {
  readonly #waiting = new Map<Socket, Newcomer>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Calls `open` when the budget allows it. Returns false if too many of this client wait. */
  wait(socket: Socket, peer: Peer | undefined, budget: CpuBudget, open: () => void): boolean {
    if (budget.newcomers >= MAX_OF_ONE_CLIENT) return false;
    budget.newcomers++;
    const timer = setTimeout(() => {
      this.#forget(socket);
      if (socket.destroyed) return;
      if (budget.pauseMs === 0) open();
      else this.wait(socket, peer, budget, open);
    }, Math.ceil(budget.pauseMs)).unref();
    this.#waiting.set(socket, { peer, budget, timer });
    return true;
  }

  /** Ends those who may not connect any more. */
  dismiss(isWelcome: (peer: Peer | undefined) => boolean): void {
    for (const [socket, { peer }] of this.#waiting) {
      if (isWelcome(peer)) continue;
      this.#forget(socket);
      socket.destroy();
    }
  }

  #forget(socket: Socket): void {
    const known = this.#waiting.get(socket);
    if (!known) return;
    clearTimeout(known.timer);
    known.budget.newcomers--;
    this.#waiting.delete(socket);
  }
}
