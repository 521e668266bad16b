/** What a helper needs of a test: to put things away when it ends. A run of bench/fuzz.ts is one too. */
export interface Scope {
  teardown(putAway: (() => void) | (() => Promise<void>)): void;
}
