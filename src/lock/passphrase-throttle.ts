import type { Clock } from "../base/clock.ts";
import { AuthdError } from "../errors.ts";
import type { Guesser } from "./session-key.ts";

/** Number of wrong passphrases without a delay; after that, the delay doubles with each. */
const FREE_ATTEMPTS = 2;
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 300_000;
/** Age at which a wrong passphrase is forgotten. */
const FORGET_AFTER_MS = 3_600_000;
/** Limit of sessions, and of processes, that are remembered. */
const MAX_SESSIONS = 1_000;

interface Failures {
  count: number;
  /** Monotonic time (ms) before which no passphrase is tried. */
  untilMs: number;
}

/** Wrong passphrases of a process and of all that it has started. */
interface WrongGuesses {
  count: number;
  /** Monotonic time (ms) of the last one. */
  atMs: number;
}

interface Waiting {
  who: Guesser;
  begin: () => void;
}

/**
 * Tries one passphrase at a time, since each takes a whole core and 128 MiB. Wrong ones delay the session
 * that gave them, and go behind the tries of others. Two tries are compared where their ancestors differ:
 * the side with fewer wrong ones goes first, then the older side. So a program that guesses from ever new
 * sessions delays only what it has started itself.
 */
export class PassphraseThrottle {
  readonly #clock: Clock;
  /** Failures by session. */
  readonly #failures = new Map<string, Failures>();
  /** Wrong passphrases by process. */
  readonly #wrong = new Map<string, WrongGuesses>();
  readonly #waiting: Waiting[] = [];
  /** Sessions that try a passphrase, or wait for their turn. */
  readonly #active = new Set<string>();
  #busy = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs `work`. If it rejects, that counts against `who`. Rejects with AuthdError `too_busy` while `who`
   * has to wait, or has a try already.
   */
  async run<T>(who: Guesser, work: () => Promise<T>): Promise<T> {
    const { session } = who;
    const wait = (this.#failures.get(session)?.untilMs ?? 0) - this.#clock.monotonic();
    if (wait > 0) throw tooSoon(wait);
    if (this.#active.has(session)) throw tooSoon(FIRST_DELAY_MS);
    this.#active.add(session);
    try {
      await this.#turn(who);
      const result = await work();
      this.#failures.delete(session);
      return result;
    } catch (error) {
      this.#failed(who);
      throw error;
    } finally {
      this.#active.delete(session);
      this.#next();
    }
  }

  async #turn(who: Guesser): Promise<void> {
    if (this.#busy) await new Promise<void>((begin) => this.#waiting.push({ who, begin }));
    this.#busy = true;
  }

  #next(): void {
    const [first] = [...this.#waiting].sort((a, b) => this.#compare(a.who, b.who));
    if (!first) {
      this.#busy = false;
      return;
    }
    this.#waiting.splice(this.#waiting.indexOf(first), 1);
    first.begin();
  }

  /** Returns a negative number if `one` goes first. Sorting keeps the order of equal tries. */
  #compare(one: Guesser, other: Guesser): number {
    const parting = one.lineage.findIndex(({ id }, index) => id !== other.lineage[index]?.id);
    const [mine, theirs] = [one.lineage[parting], other.lineage[parting]];
    if (!mine || !theirs) return this.#countOf(one) - this.#countOf(other);
    const wrong = (id: string) => this.#wrong.get(id)?.count ?? 0;
    return wrong(mine.id) - wrong(theirs.id) || Math.sign(mine.startedAtMs - theirs.startedAtMs);
  }

  #countOf({ session }: Guesser): number {
    return this.#failures.get(session)?.count ?? 0;
  }

  #failed(who: Guesser): void {
    const now = this.#clock.monotonic();
    const count = this.#countOf(who) + 1;
    const delay =
      count < FREE_ATTEMPTS
        ? 0
        : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (count - FREE_ATTEMPTS));
    this.#failures.delete(who.session);
    this.#failures.set(who.session, { count, untilMs: now + delay });
    for (const { id } of who.lineage) {
      const before = this.#wrong.get(id)?.count ?? 0;
      this.#wrong.delete(id);
      this.#wrong.set(id, { count: before + 1, atMs: now });
    }
    for (const [each, { untilMs }] of this.#failures) {
      if (untilMs + FORGET_AFTER_MS < now || this.#failures.size > MAX_SESSIONS)
        this.#failures.delete(each);
    }
    for (const [each, { atMs }] of this.#wrong) {
      if (atMs + FORGET_AFTER_MS < now || this.#wrong.size > MAX_SESSIONS) this.#wrong.delete(each);
    }
  }
}

function tooSoon(ms: number): AuthdError {
  const seconds = Math.ceil(ms / 1_000);
  return new AuthdError(
    "too_busy",
    `Passphrases from here were wrong, or one is just being tried: try again in ${seconds} s.`,
    { retryAfterMs: Math.ceil(ms) },
  );
}
