import { AuthdError } from "../errors.ts";

/** Limits of what is held for all clients together, and for one of them. */
export interface HoldingLimits {
  /** Bytes of requests that are being received or have no response yet. */
  requestBytes: number;
  /** Calls whose answer is fetched from elsewhere. */
  answers: number;
  /** Bytes of large answers, until their clients have taken them. */
  answerBytes: number;
  /** The part of these for one connection. At least as much as any single response needs. */
  answerBytesEach: number;
}

/** Reserves memory for one response before its bytes are read. */
export interface ResponseReservation {
  /**
   * Reserves `bytes` in all. Returns undefined if they are free; otherwise a promise that resolves when
   * others have released enough, or never, if the call ends before that.
   */
  reserve(bytes: number): Promise<void> | undefined;
  /** Releases all but `bytes`: the response has turned out to be no longer. */
  keep(bytes: number): void;
}

/** A reservation that outlives the call it was made in. */
export interface LastingReservation extends ResponseReservation {
  release(): void;
}

/** Returns the part of a limit that one guest may have. */
export const guestLimit = (limit: number) => Math.max(1, Math.floor(limit / 2));

/** Advice in `too_busy`: the time in which requests in flight usually get done. */
export const RETRY_AFTER_MS = 1000;

/** The use of one user other than the daemon's; none of it may be more than half of the limit for all. */
export interface UserUsage {
  connections: number;
  requestBytes: number;
  answers: number;
  /** True if the connection that was heard last may use nothing. */
  isRefused: boolean;
}

/**
 * Accounts for the memory that the daemon holds for its clients. A client that does not read fills its
 * own share only, so the limit for all is met only by several such clients, which are dropped in time.
 */
export class MemoryBudget {
  readonly limits: HoldingLimits;
  requestBytes = 0;
  answers = 0;
  answerBytes = 0;
  readonly #guests = new Map<number, UserUsage>();
  #waiting: Reservation[] = [];
  /** True while the first reservation in the queue waits for the limit for all: later ones then wait too. */
  #full = false;

  constructor(limits: HoldingLimits) {
    this.limits = limits;
  }

  /** The use of all connections of this user; undefined for the daemon's user and root, who have no such limit. */
  tallyOf(guest: number | undefined): UserUsage | undefined {
    if (guest === undefined) return undefined;
    const known = this.#guests.get(guest);
    if (known) return known;
    const tally = { connections: 0, requestBytes: 0, answers: 0, isRefused: false };
    this.#guests.set(guest, tally);
    return tally;
  }

  /** Returns true if the reservation was granted; otherwise it waits. */
  ask(reservation: Reservation): boolean {
    if (this.#grant(reservation)) return true;
    this.#waiting.push(reservation);
    return false;
  }

  /** Grants waiting reservations after something was released, or somebody no longer waits. */
  review(): void {
    if (this.#waiting.length === 0) return;
    this.#full = false;
    this.#waiting = this.#waiting.filter(
      (reservation) => reservation.wanted > 0 && !this.#grant(reservation),
    );
  }

  #grant(reservation: Reservation): boolean {
    const { answerBytes, answerBytesEach } = this.limits;
    if (reservation.budget.bytes + reservation.wanted > answerBytesEach) return false;
    if (this.#full || this.answerBytes + reservation.wanted > answerBytes) {
      this.#full = true;
      return false;
    }
    reservation.granted();
    return true;
  }
}

/** The part of the budget that one connection uses. */
export class ConnectionBudget {
  bytes = 0;
  readonly #all: MemoryBudget;
  readonly #user: UserUsage | undefined;
  readonly #lots = new Set<Reservation>();

  constructor(all: MemoryBudget, user?: UserUsage) {
    this.#all = all;
    this.#user = user;
  }

  /** Begins a call. Throws AuthdError `too_busy`. */
  open(): Reservation {
    if (this.#all.answers >= this.#all.limits.answers) {
      const text = `authd has ${this.#all.limits.answers} requests to APIs in flight; nothing was sent. Try again later.`;
      throw new AuthdError("too_busy", text, { retryAfterMs: RETRY_AFTER_MS });
    }
    const user = this.#user;
    if (user && user.answers >= guestLimit(this.#all.limits.answers)) {
      const text = `authd has ${user.answers} requests of your user to APIs in flight; nothing was sent. Try again later.`;
      throw new AuthdError("too_busy", text, { retryAfterMs: RETRY_AFTER_MS });
    }
    const reservation = new Reservation(this.#all, this, () => {
      this.#lots.delete(reservation);
      if (user) user.answers--;
    });
    if (user) user.answers++;
    this.#lots.add(reservation);
    return reservation;
  }

  /** Releases everything that was held for the connection. */
  close(): void {
    const lots = [...this.#lots];
    // Memory that one reservation releases must not be granted to another of this connection.
    for (const reservation of lots) reservation.wanted = 0;
    for (const lot of lots) lot.release();
  }
}

/** The memory held for one call, from its start until its client has read the response. */
export class Reservation implements LastingReservation {
  /** Bytes beyond `held` that it waits for. */
  wanted = 0;
  readonly budget: ConnectionBudget;
  readonly #all: MemoryBudget;
  readonly #onRelease: () => void;
  #held = 0;
  #resolve: () => void = () => {};
  #released = false;

  constructor(all: MemoryBudget, budget: ConnectionBudget, onRelease: () => void) {
    this.budget = budget;
    this.#all = all;
    this.#onRelease = onRelease;
    all.answers++;
  }

  reserve(bytes: number): Promise<void> | undefined {
    if (this.#released || bytes <= this.#held) return undefined;
    this.wanted = bytes - this.#held;
    if (this.#all.ask(this)) return undefined;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  keep(bytes: number): void {
    const surplus = this.#held - bytes;
    if (surplus <= 0) return;
    this.#add(-surplus);
    this.#all.review();
  }

  granted(): void {
    this.#add(this.wanted);
    this.wanted = 0;
    this.#resolve();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.wanted = 0;
    this.#all.answers--;
    this.#add(-this.#held);
    this.#onRelease();
    this.#all.review();
  }

  #add(bytes: number): void {
    this.#held += bytes;
    this.budget.bytes += bytes;
    this.#all.answerBytes += bytes;
  }
}
