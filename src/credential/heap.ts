/** What comes when: the earliest first; of the same time, the one that came first. A binary heap. */
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
      if (!before(entry, items[parent]!)) break;
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
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top.item;
  }
}

interface Entry {
  item: { at: number };
  order: number;
}

function before(a: Entry, b: Entry): boolean {
  return a.item.at < b.item.at || (a.item.at === b.item.at && a.order < b.order);
}
