import type { Id } from "../base/json-text.ts";
import {
  ConnectionBudget,
  guestLimit,
  type LastingReservation,
  type MemoryBudget,
  type ResponseReservation,
  type UserUsage,
} from "../base/memory-budget.ts";
import { keyOf, type RequestKey } from "./request-key.ts";
import { gone } from "./write-buffer.ts";

/** Memory (bytes) of a request in flight beside its own bytes, about. */
const REQUEST_COST_BYTES = 1024;

export interface InFlightLimits {
  /** Requests of one connection. */
  inFlight: number;
  /** Their bytes. */
  inFlightBytes: number;
}

/** Requests of one connection that have no answer yet, and the memory that they and half a frame take. */
export class RequestsInFlight {
  readonly #limits: InFlightLimits;
  readonly #all: MemoryBudget;
  /** Totals of another user. */
  readonly #user: UserUsage | undefined;
  readonly #budget: ConnectionBudget;
  readonly #bytesOf = new Map<RequestKey, number>();
  readonly #reservations = new Map<RequestKey, LastingReservation>();
  #bytes = 0;
  /** Bytes of half a frame that are accounted for. */
  #partialBytes = 0;
  #isClosed = false;

  constructor(limits: InFlightLimits, all: MemoryBudget, user: UserUsage | undefined) {
    this.#limits = limits;
    this.#all = all;
    this.#user = user;
    this.#budget = new ConnectionBudget(all, user);
  }

  get size(): number {
    return this.#bytesOf.size;
  }

  has(key: RequestKey): boolean {
    return this.#bytesOf.has(key);
  }

  keys(): RequestKey[] {
    return [...this.#bytesOf.keys()];
  }

  /** Returns where one more request of so many bytes does not fit; undefined if it does. */
  full(bytes: number): "connection" | "server" | undefined {
    const { inFlight, inFlightBytes } = this.#limits;
    if (this.size >= inFlight || this.#bytes + bytes > inFlightBytes) return "connection";
    return this.#fits(bytes + REQUEST_COST_BYTES) ? undefined : "server";
  }

  add(key: RequestKey, bytes: number): void {
    this.#bytesOf.set(key, bytes);
    this.#bytes += bytes;
    this.#count(bytes + REQUEST_COST_BYTES);
  }

  /**
   * Takes a request that is about to be answered out. Returns undefined if there is none; otherwise its
   * reservation is the caller's to release.
   */
  remove(key: RequestKey): { reservation: LastingReservation | undefined } | undefined {
    const bytes = this.#bytesOf.get(key);
    if (bytes === undefined) return undefined;
    this.#bytesOf.delete(key);
    this.#bytes -= bytes;
    this.#count(-bytes - REQUEST_COST_BYTES);
    const reservation = this.#reservations.get(key);
    this.#reservations.delete(key);
    return { reservation };
  }

  /** Accounts for the answer to a request in flight. Throws AuthdError `too_busy`. */
  reserve(id: Id): ResponseReservation {
    const key = keyOf(id);
    if (!this.#bytesOf.has(key)) throw gone();
    const known = this.#reservations.get(key);
    if (known) return known;
    const reservation = this.#budget.open();
    this.#reservations.set(key, reservation);
    return reservation;
  }

  /** Accounts for the answer to a later request. Throws AuthdError `too_busy`. */
  reserveLasting(): LastingReservation {
    if (this.#isClosed) throw gone();
    return this.#budget.open();
  }

  /** Releases `room` with the answer to this request, or now if there was one. */
  releaseWhenTaken(id: Id, room: LastingReservation): void {
    const key = keyOf(id);
    if (this.#bytesOf.has(key)) this.#reservations.set(key, room);
    else room.release();
  }

  /** Gives back what was reserved for an answer that is an error now. */
  releaseReservation(key: RequestKey): void {
    this.#reservations.get(key)?.release();
  }

  /** Accounts for half a frame of so many bytes; returns false if all connections together hold too much. */
  holdPartial(bytes: number): boolean {
    const more = bytes - this.#partialBytes;
    if (more > 0 && !this.#fits(more)) return false;
    this.#partialBytes = bytes;
    if (more !== 0) this.#count(more);
    return true;
  }

  /** The connection is gone. */
  close(): void {
    this.#isClosed = true;
    this.#count(-this.#partialBytes - this.#bytes - this.size * REQUEST_COST_BYTES);
    this.#partialBytes = 0;
    this.#bytes = 0;
    this.#bytesOf.clear();
    this.#reservations.clear();
    this.#budget.close();
  }

  #fits(bytes: number): boolean {
    const { requestBytes, limits } = this.#all;
    if (this.#user && this.#user.requestBytes + bytes > guestLimit(limits.requestBytes))
      return false;
    return requestBytes + bytes <= limits.requestBytes;
  }

  #count(bytes: number): void {
    this.#all.requestBytes += bytes;
    if (this.#user) this.#user.requestBytes += bytes;
  }
}
