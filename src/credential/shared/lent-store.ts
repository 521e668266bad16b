import type { OpenedStore } from "./store-connection.ts";

/** An opened store that several use at the same time: it is closed when the last of them is done. */
export class LentStore {
  readonly #opening: Promise<OpenedStore>;
  #users = 0;
  /** Called when the last user is done, once it is to be closed. */
  #onUnused: (() => void) | undefined;

  constructor(opening: Promise<OpenedStore>) {
    this.#opening = opening;
  }

  /** Rejects as `work` does, or as opening failed: then after a call of `onFailed`. */
  async use<T>(work: (opened: OpenedStore) => T | Promise<T>, onFailed: () => void): Promise<T> {
    this.#users++;
    try {
      const opened = await this.#opening.catch((error) => {
        onFailed();
        throw error;
      });
      return await work(opened);
    } finally {
      this.#users--;
      if (this.#users === 0) this.#onUnused?.();
    }
  }

  /** Called once, and no `use` after it. Resolves when nobody uses the store any more, its connection has ended and its keys are wiped. */
  async close(): Promise<void> {
    if (this.#users > 0) {
      await new Promise<void>((resolve) => {
        this.#onUnused = resolve;
      });
    }
    const opened = await this.#opening.catch(() => undefined);
    for (const { key } of opened?.keys.own.values() ?? []) key.fill(0);
    await opened?.store.close().catch(() => {});
  }
}
