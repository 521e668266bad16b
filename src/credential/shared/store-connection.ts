import type { Timekeeper } from "../../base/timekeeper.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { type FleetKeys, type Store, StoreRefusal, type Timed } from "../../vault/store/index.ts";
import { LentStore } from "./lent-store.ts";
import { StoreClock } from "./store-clock.ts";

/** The store as this host uses it. */
export interface OpenedStore {
  store: Store;
  keys: FleetKeys;
  /** Makes the key of a group that no host has; see `addGroup` of the store. */
  addGroup(group: string): Promise<boolean>;
}

/** The store can't be reached, or refuses this host. */
export class StoreDown extends Error {
  override readonly name = "StoreDown";
}

/** Opens the store when it is first needed, and again after it could not be. */
export class StoreConnection {
  readonly clock: StoreClock;
  readonly #open: () => Promise<OpenedStore>;
  /** What questions are put to. */
  #current: LentStore | undefined;
  /** What is closed when those who use it are done. */
  readonly #ending = new Set<Promise<void>>();
  /** Why the last question was not answered; undefined if it was. */
  problem: string | undefined;
  /** The problem, if only a person ends it: the store refuses this host, or the settings of it can't be used. */
  refusal: string | undefined;
  /** Called with each outcome of a question. */
  onOutcome: () => void = () => {};
  /** Called with each answer. */
  onAnswer: (answer: Timed<object>) => void = () => {};

  constructor(open: () => Promise<OpenedStore>, time: Timekeeper) {
    this.#open = open;
    this.clock = new StoreClock(time);
  }

  /** Asks the store. Rejects with StoreDown. */
  async ask<Answer extends object>(
    question: (store: Store, keys: FleetKeys) => Promise<Timed<Answer>>,
  ): Promise<Timed<Answer>> {
    try {
      const answer = await this.use(({ store, keys }) =>
        this.clock.ask(() => question(store, keys)),
      );
      this.#note(undefined);
      this.onAnswer(answer);
      return answer;
    } catch (error) {
      this.#note(error);
      throw new StoreDown(messageOf(error));
    }
  }

  #note(error: unknown): void {
    this.problem = error === undefined ? undefined : messageOf(error);
    this.refusal = isRefusal(error) ? this.problem : undefined;
    this.onOutcome();
  }

  /**
   * Has `work` use the opened store, whose connection and keys last until it is done, also if it is closed meanwhile.
   * Rejects as `work` does, or as opening fails.
   */
  async use<T>(work: (opened: OpenedStore) => T | Promise<T>): Promise<T> {
    this.#current ??= new LentStore(this.#open());
    const lent = this.#current;
    return await lent.use(work, () => {
      if (this.#current === lent) this.#current = undefined;
    });
  }

  /** The next question opens the store anew, with the keys of then. */
  reopen(): void {
    const lent = this.#current;
    this.#current = undefined;
    if (!lent) return;
    const ending = lent.close().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /**
   * Ends the connection and wipes the keys; the next question opens it again. Resolves when nobody uses them any more:
   * never call it within `use`. Never rejects.
   */
  async close(): Promise<void> {
    this.reopen();
    await Promise.all(this.#ending);
  }
}

/** An address that can't be used is one, too. */
function isRefusal(error: unknown): boolean {
  if (error instanceof StoreRefusal) return true;
  return error instanceof AuthdError && error.reason === "invalid_params";
}
