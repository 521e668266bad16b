import type { AuditEntry, AuditPeer } from "./entry.ts";

/** More than this is not kept while nothing can be written. */
const MAX_WAITING = 10_000;
/** A client's uses are compared with so many of its last lines. */
const COMPARED_LINES = 4;

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

export interface Waiting {
  readonly entry: AuditEntry;
  /** The answer that a token was handed out with: the same object for the same token. */
  readonly answer?: object | undefined;
  /** Calls that may not be answered before the line is written. */
  waiters: Waiter[];
}

/**
 * Lines to be written next. Uses and refusals that are equal in everything but their time are one line
 * with a count: a program may ask thousands of times a second.
 */
export class AuditQueue {
  #waiting: Waiting[] = [];
  /** Last lines of each client in this batch, the newest first. */
  readonly #linesOf = new Map<AuditPeer | undefined, Waiting[]>();
  /** Lines that there was no room for. */
  lost = 0;

  get size(): number {
    return this.#waiting.length;
  }

  /** Returns undefined if there is no room. */
  push(entry: AuditEntry, answer?: object): Waiting | undefined {
    const isCounted = entry.event === "use" || entry.event === "refusal";
    const lines = isCounted ? this.#linesOf.get(entry.peer) : undefined;
    const same = lines?.find((line) => isSame(line.entry, entry));
    if (same) return countOnce(same, entry.time);
    if (this.#waiting.length >= MAX_WAITING) {
      this.lost += 1;
      return undefined;
    }
    const waiting: Waiting = { entry, answer, waiters: [] };
    this.#waiting.push(waiting);
    if (!isCounted) return waiting;
    if (lines) lines.splice(0, lines.length, waiting, ...lines.slice(0, COMPARED_LINES - 1));
    else this.#linesOf.set(entry.peer, [waiting]);
    return waiting;
  }

  /**
   * Counts one more getToken of `peer` that was answered with `answer`, as `push` would; returns undefined
   * if that takes a line of its own.
   */
  repeat(
    peer: AuditPeer,
    credential: unknown,
    rule: string | undefined,
    answer: object | undefined,
    time: number,
  ): Waiting | undefined {
    const last = this.#linesOf.get(peer)?.[0];
    if (answer === undefined || last?.answer !== answer) return undefined;
    const { entry } = last;
    if (entry.credential !== credential || entry.rule !== rule) return undefined;
    return countOnce(last, time);
  }

  /** Returns the oldest lines, at most `limit`. */
  take(limit: number): Waiting[] {
    this.#linesOf.clear();
    return this.#waiting.splice(0, limit);
  }

  putBack(taken: readonly Waiting[]): void {
    this.#waiting.unshift(...taken);
  }
}

function countOnce(line: Waiting, time: number): Waiting {
  const { entry } = line;
  entry.count = (entry.count ?? 1) + 1;
  entry.until = time;
  return line;
}

const DISTINCT = [
  ...["event", "method", "credential", "origin", "request", "status", "outcome", "rule", "token"],
  "refreshed",
] as (keyof AuditEntry)[];

function isSame(one: AuditEntry, other: AuditEntry): boolean {
  return DISTINCT.every((member) => one[member] === other[member]);
}
