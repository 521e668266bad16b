import { AuthdError } from "../errors.ts";

/** What may be held for all clients together, and for one of them. */
export interface HoldingLimits {
  /** Bytes of requests that are coming in or have no answer yet. */
  requestBytes: number;
  /** Calls whose answer is fetched from elsewhere. */
  answers: number;
  /** Bytes of large answers, until their clients have taken them. */
  answerBytes: number;
  /** Of these, for one connection. At least as much as any single answer needs. */
  answerBytesEach: number;
}

/** Where the bytes of one answer are accounted for before they are read. */
export interface ResponseReservation {
  /**
   * Asks for `bytes` in all. Undefined if they are to be had at once; otherwise resolves when
   * others have given enough back, or never, if the call is answered before that.
   */
  reserve(bytes: number): Promise<void> | undefined;
  /** Gives back all but `bytes`: the answer has turned out to be no longer. */
  keep(bytes: number): void;
}

/** One that is kept for longer than the call it was made in. */
export interface LastingReservation extends ResponseReservation {
  release(): void;
}

/** What one guest may have of it. */
export const guestLimit = (limit: number) => Math.max(1, Math.floor(limit / 2));

/** Advice in `too_busy`: the time in which requests in flight usually get done. */
export const RETRY_AFTER_MS = 1000;

/** What one user other than our own has; none of it may be more than half of what all may have. */
export interface UserUsage {
  connections: number;
  requestBytes: number;
  answers: number;
  /** The connection that was heard last may use nothing. */
  isRefused: boolean;
}

/**
 * What the daemon holds for its clients. What one of them does not take waits in its own share, so
 * the bound for all is met only by several such clients; and they are dropped after a while.
 */
export class MemoryBudget {
  readonly limits: HoldingLimits;
  requestBytes = 0;
  answers = 0;
  answerBytes = 0;
  readonly #guests = new Map<number, UserUsage>();
  #waiting: Reservation[] = [];
  /** The first that waits, waits for the bound of all: nobody may overtake it. */
  #full = false;

  constructor(limits: HoldingLimits) {
    this.limits = limits;
  }

  /** Of all connections of this user. Undefined for our own user and root, who are bound by none. */
  tallyOf(guest: number | undefined): UserUsage | undefined {
    if (guest === undefined) return undefined;
    const known = this.#guests.get(guest);
    if (known) return known;
    const tally = { connections: 0, requestBytes: 0, answers: 0, isRefused: false };
    this.#guests.set(guest, tally);
    return tally;
  }

  /** True if it was granted, or else it waits. */
  ask(reservation: Reservation): boolean {
    if (this.#grant(reservation)) return true;
    this.#waiting.push(reservation);
    return false;
  }

  /** After something was given back, or somebody no longer waits. */
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

/** One connection's part of it. */
export class ConnectionBudget {
  bytes = 0;
  readonly #all: MemoryBudget;
  readonly #user: UserUsage | undefined;
  readonly #lots = new Set<Reservation>();

  constructor(all: MemoryBudget, user?: UserUsage) {
    this.#all = all;
    this.#user = user;
  }

  /** For one call. Throws AuthdError `too_busy`. */
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

  /** The connection is gone, and all that was held for it. */
  close(): void {
    const lots = [...this.#lots];
    // Nothing that one of them gives back is for another.
    for (const reservation of lots) reservation.wanted = 0;
    for (const lot of lots) lot.release();
  }
}

/** What is held for one call, from its start until its client has taken the answer. */
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
