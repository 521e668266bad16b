/** A store of which every question is counted, for one of many hosts that have its connections in common. */
import type { Store, StoreEntry } from "../../src/vault/store/index.ts";

/** Questions, by what they are for. */
export interface Counts {
  /** What has changed, and that a host runs. */
  polls: number;
  /** How a record is. */
  reads: number;
  /** Leases, intents and commits. */
  changes: number;
}

type Watcher = (name: string | undefined, version?: number) => void;

export class CountedStore {
  counts: Counts = { polls: 0, reads: 0, changes: 0 };
  /** Questions that are not answered yet. */
  open = 0;
  readonly #store: Store;
  readonly #watchers = new Set<Watcher>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Returns the store as a host has it. A notice comes to each host, as PostgreSQL sends it. */
  forHost(): Store {
    return new Proxy(this.#store, {
      get: (target, key) => {
        if (key === "watch") return (watcher: Watcher) => this.#watch(watcher);
        if (key === "close") return async () => {};
        const method = Reflect.get(target, key, target) as (...args: unknown[]) => Promise<object>;
        return (...args: unknown[]) => this.#ask(String(key), () => method.apply(target, args));
      },
    });
  }

  #watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async #ask(method: string, ask: () => Promise<object>): Promise<object> {
    this.open++;
    try {
      const answer = await ask();
      this.#count(method, answer);
      return answer;
    } finally {
      this.open--;
    }
  }

  #count(method: string, answer: { done?: boolean; entry?: StoreEntry }): void {
    if (method === "changesSince" || method === "seen") this.counts.polls++;
    else if (method === "read") this.counts.reads++;
    else this.counts.changes++;
    // What was not changed is read.
    if (answer?.done === false) this.counts.reads++;
    if (!answer?.done || (method !== "commit" && method !== "release")) return;
    const { name, version } = answer.entry!;
    for (const watcher of this.#watchers) watcher(name, version);
  }
}
