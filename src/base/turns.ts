interface Waiting {
  begin: () => void;
}

/** Runs one piece of work at a time, in the order in which they were handed in. */
export class Turns {
  readonly #waiting: Waiting[] = [];
  #busy = false;

  /** Runs `work` once all before it has ended, and returns its result. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    return await this.#run(work, (waiting) => this.#waiting.push(waiting));
  }

  /** Runs `work` right after what runs already, ahead of all that waits. */
  async runNext<T>(work: () => Promise<T>): Promise<T> {
    return await this.#run(work, (waiting) => this.#waiting.unshift(waiting));
  }

  async #run<T>(work: () => Promise<T>, wait: (waiting: Waiting) => void): Promise<T> {
    if (this.#busy) await new Promise<void>((begin) => wait({ begin }));
    this.#busy = true;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next.begin();
      else this.#busy = false;
    }
  }
}
