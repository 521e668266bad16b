/** Asks a person whether a change may go on that concerns the guarded credential of that name; rejects if not. */
export type Consent = (guarded: string) => Promise<void>;

/** Called with a guarded credential before it is changed or given away, or with undefined if it is not guarded. */
export type Needs = (guarded: string | undefined) => void;

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
  let isAgreed = false;
  const needs: Needs = (guarded) => {
    if (guarded !== undefined && !isAgreed) throw new ConsentMissing(guarded);
  };
  for (;;) {
    try {
      return await inTurn(() => work(needs));
    } catch (error) {
      if (!(error instanceof ConsentMissing)) throw error;
      await ask(error.guarded);
      isAgreed = true;
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
