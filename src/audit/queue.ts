import type { AuditEntry, AuditPeer } from "./entry.ts";

/** So many lines of one batch are written each for itself; then what is the very same is counted. */
const EACH = 256;
/** More than this is not kept while nothing can be written. */
export const MOST = 10_000;

export interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

export interface Waiting {
  readonly entry: AuditEntry;
  /** Who may not be answered before it is written. */
  waiters: Waiter[];
}

/** What is to be written next. */
export class AuditQueue {
  #waiting: Waiting[] = [];
  readonly #lastOf = new Map<AuditPeer | undefined, Waiting>();
  /** How many there was no room for. */
  lost = 0;

  get size(): number {
    return this.#waiting.length;
  }

  /** Undefined: there is no room. */
  push(entry: AuditEntry): Waiting | undefined {
    // Whoever is turned away may come back a thousand times a second.
    const isCounted = this.#waiting.length >= EACH || entry.method === "connect";
    const same = isCounted ? this.#lastOf.get(entry.peer) : undefined;
    if (same && isSame(same.entry, entry)) {
      same.entry.count = (same.entry.count ?? 1) + 1;
      same.entry.until = entry.time;
      return same;
    }
    if (this.#waiting.length >= MOST) {
      this.lost += 1;
      return undefined;
    }
    const waiting: Waiting = { entry, waiters: [] };
    this.#waiting.push(waiting);
    if (isCounted) this.#lastOf.set(entry.peer, waiting);
    return waiting;
  }

  /** The oldest, at most so many. */
  take(most: number): Waiting[] {
    this.#lastOf.clear();
    return this.#waiting.splice(0, most);
  }

  putBack(taken: readonly Waiting[]): void {
    this.#waiting.unshift(...taken);
  }
}

const DISTINCT = [
  ...["event", "method", "credential", "origin", "request", "status", "outcome", "rule", "token"],
  ...["refreshed", "question", "answer", "version", "torn", "lost"],
] as (keyof AuditEntry)[];

function isSame(one: AuditEntry, other: AuditEntry): boolean {
  return DISTINCT.every((member) => one[member] === other[member]);
}
