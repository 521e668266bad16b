/** When each credential is to be looked at next. */

interface Entry {
  name: string;
  at: number;
}

/**
 * Maps names to boot times (ms) and finds the earliest. Infinity: not at all. A change leaves the old entry
 * in the heap, where `next` skips it once it comes first, so that no change has to search.
 */
export class DeadlineQueue {
  readonly #times = new Map<string, number>();
  #heap = new MinHeap<Entry>();

  /** Returns the time of `name`; undefined if it was never set, or was deleted. */
  get(name: string): number | undefined {
    return this.#times.get(name);
  }

  set(name: string, at: number): void {
    if (this.#times.get(name) === at) return;
    this.#times.set(name, at);
    if (at === Number.POSITIVE_INFINITY) return;
    this.#heap.push({ name, at });
    // A deadline that is postponed again and again would fill the heap with old entries.
    if (this.#heap.size > 2 * this.#times.size + 64) this.#rebuild();
  }

  delete(name: string): void {
    this.#times.delete(name);
  }

  /** Returns the earliest time; Infinity if there is none. */
  get next(): number {
    for (;;) {
      const { first } = this.#heap;
      if (!first) return Number.POSITIVE_INFINITY;
      if (this.#times.get(first.name) === first.at) return first.at;
      this.#heap.pop();
    }
  }

  /** Returns the names whose time is not after `now`, the earliest first, and sets their time to Infinity. */
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

interface Ordered {
  item: { at: number };
  order: number;
}

/** A binary heap: the item with the smallest `at` comes first; of equal ones, the one pushed first. */
export class MinHeap<T extends { at: number }> {
  readonly #items: { item: T; order: number }[] = [];
  #order = 0;

  get first(): T | undefined {
    return this.#items[0]?.item;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const items = this.#items;
    const entry = { item, order: this.#order++ };
    let at = items.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = entry;
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (!top || !last || items.length === 0) return top?.item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top.item;
  }
}

function isBefore(a: Ordered, b: Ordered): boolean {
  return a.item.at < b.item.at || (a.item.at === b.item.at && a.order < b.order);
}
