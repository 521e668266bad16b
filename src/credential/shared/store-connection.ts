import type { Timekeeper } from "../../base/timekeeper.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { type FleetKeys, type Store, StoreRefusal, type Timed } from "../../vault/store/index.ts";
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
  #opening: Promise<OpenedStore> | undefined;
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
      const { store, keys } = await this.opened();
      const answer = await this.clock.ask(() => question(store, keys));
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

  async opened(): Promise<OpenedStore> {
    const opening = this.#opening ?? this.#open();
    this.#opening = opening;
    try {
      return await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /** Ends the connection and wipes the keys; the next question opens it again. */
  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    for (const { key } of opened?.keys.own.values() ?? []) key.fill(0);
    await opened?.store.close();
  }
}

/** An address that can't be used is one, too. */
function isRefusal(error: unknown): boolean {
  if (error instanceof StoreRefusal) return true;
  return error instanceof AuthdError && error.reason === "invalid_params";
}
