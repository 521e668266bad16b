import { MinHeap } from "./heap.ts";

interface Entry {
  name: string;
  at: number;
}

/**
 * Who is to be looked at when. Times are boot times, ms; Infinity: not at all. A change leaves the
 * entry of before in the heap, to be passed over when its time has come: it costs no search.
 */
export class DeadlineQueue {
  readonly #times = new Map<string, number>();
  #heap = new MinHeap<Entry>();

  /** Undefined for a name that was never set, or was deleted. */
  get(name: string): number | undefined {
    return this.#times.get(name);
  }

  set(name: string, at: number): void {
    if (this.#times.get(name) === at) return;
    this.#times.set(name, at);
    if (at === Number.POSITIVE_INFINITY) return;
    this.#heap.push({ name, at });
    // What is put off again and again would fill it.
    if (this.#heap.size > 2 * this.#times.size + 64) this.#rebuild();
  }

  delete(name: string): void {
    this.#times.delete(name);
  }

  /** The earliest time; Infinity if there is none. */
  get next(): number {
    for (;;) {
      const { first } = this.#heap;
      if (!first) return Number.POSITIVE_INFINITY;
      if (this.#times.get(first.name) === first.at) return first.at;
      this.#heap.pop();
    }
  }

  /** Those whose time is not after `now`, the earliest first; it is Infinity from then on. */
  takeDue(now: number): string[] {
    const names: string[] = [];
    while (this.next <= now) {
      const { name } = this.#heap.pop()!;
      this.#times.set(name, Number.POSITIVE_INFINITY);
      names.push(name);
    }
    return names;
  }

  #rebuild(): void {
    this.#heap = new MinHeap();
    for (const [name, at] of this.#times) {
      if (at !== Number.POSITIVE_INFINITY) this.#heap.push({ name, at });
    }
  }
}
