/** Asks a person whether a change may go on that concerns the guarded credential of that name; rejects if not. */
export type Consent = (guarded: string) => Promise<void>;

/** Called with the guarded credentials before any of them is changed or given away; undefined is none. */
export type Needs = (...guarded: readonly (string | undefined)[]) => void;

/**
 * Runs `work` in a turn of its own. In that turn, before it changes anything, `work` says what it needs
 * consent for. If that is missing the turn ends, a person is asked while others have theirs, and `work`
 * begins again in another turn.
 */
export async function withConsent<T>(
  ask: Consent,
  inTurn: (work: () => Promise<T>) => Promise<T>,
  work: (needs: Needs) => Promise<T>,
): Promise<T> {
  const agreed = new Set<string>();
  const needs: Needs = (...guarded) => {
    const missing = guarded.find((name) => name !== undefined && !agreed.has(name));
    if (missing !== undefined) throw new ConsentMissing(missing);
  };
  for (;;) {
    try {
      return await inTurn(() => work(needs));
    } catch (error) {
      if (!(error instanceof ConsentMissing)) throw error;
      await ask(error.guarded);
      agreed.add(error.guarded);
    }
  }
}

/** Never leaves this file. */
class ConsentMissing extends Error {
  readonly guarded: string;

  constructor(guarded: string) {
    super(`a person has not agreed yet: ${guarded}`);
    this.guarded = guarded;
  }
}
