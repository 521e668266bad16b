/** What a helper needs of a test: to put things away when it ends. A run of bench/fuzz.ts is one too. */
export interface Scope {
  teardown(putAway: (() => void) | (() => Promise<void>)): void;
}

/** The scope of all tests of a file, whose last hook ends it. */
export class FileScope implements Scope {
  readonly #putAways: Parameters<Scope["teardown"]>[0][] = [];

  teardown(putAway: Parameters<Scope["teardown"]>[0]): void {
    this.#putAways.unshift(putAway);
  }

  async end(): Promise<void> {
    for (const putAway of this.#putAways.splice(0)) await putAway();
  }
}
