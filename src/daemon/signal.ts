/** Tells layers above of what happens in one that does not know them. */
export class Signal<Payload = void> {
  readonly #listeners: ((payload: Payload) => void)[] = [];

  on(listener: (payload: Payload) => void): void {
    this.#listeners.push(listener);
  }

  readonly emit = (payload: Payload): void => {
    for (const listener of this.#listeners) listener(payload);
  };
}
