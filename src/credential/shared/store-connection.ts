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
  /** Only a person ends it. */
  readonly isRefusal: boolean;

  constructor(message: string, isRefusal = false) {
    super(message);
    this.isRefusal = isRefusal;
  }
}

/** What only a person ends. */
export interface Refusal {
  message: string;
  /** The next step, if it is another one than that of every refusal. */
  help?: string;
}

/** Opens the store when it is first needed, and again after it could not be. */
export class StoreConnection {
  readonly clock: StoreClock;
  readonly #open: () => Promise<OpenedStore>;
  readonly #mistake: (keys: FleetKeys) => Refusal | undefined;
  /** What questions are put to. */
  #current: LentStore | undefined;
  /** What is closed when those who use it are done. */
  readonly #ending = new Set<Promise<void>>();
  /** Why the last question was not answered; undefined if it was. */
  problem: string | undefined;
  /** What only a person ends: the store refuses this host, or the settings of it can't be used, or are a mistake. */
  refusal: Refusal | undefined;
  /** Called with each outcome of a question. */
  onOutcome: () => void = () => {};
  /** Called with each answer. */
  onAnswer: (answer: Timed<object>) => void = () => {};

  /** `mistake`: returns what is wrong with the settings, though the store answers. */
  constructor(
    open: () => Promise<OpenedStore>,
    time: Timekeeper,
    mistake: (keys: FleetKeys) => Refusal | undefined = () => undefined,
  ) {
    this.#open = open;
    this.#mistake = mistake;
    this.clock = new StoreClock(time);
  }

  /** Asks the store. Rejects with StoreDown. */
  async ask<Answer extends object>(
    question: (store: Store, keys: FleetKeys) => Promise<Timed<Answer>>,
  ): Promise<Timed<Answer>> {
    try {
      const { answer, mistake } = await this.use(async ({ store, keys }) => ({
        answer: await this.clock.ask(() => question(store, keys)),
        mistake: this.#mistake(keys),
      }));
      this.#note(undefined, mistake);
      this.onAnswer(answer);
      return answer;
    } catch (error) {
      const message = messageOf(error);
      const isRefused = isRefusal(error);
      this.#note(message, isRefused ? { message } : undefined);
      throw new StoreDown(message, isRefused);
    }
  }

  #note(problem: string | undefined, refusal: Refusal | undefined): void {
    this.problem = problem;
    this.refusal = refusal;
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

/** Returns what only a person ends, with its next step. */
export function refusalText({ message, help }: Refusal): string {
  return help === undefined ? message : `${message}. Next: ${help}`;
}

/** An address that can't be used is one, too. */
function isRefusal(error: unknown): boolean {
  if (error instanceof StoreRefusal) return true;
  return error instanceof AuthdError && error.reason === "invalid_params";
}
