import type { Registry } from "../credential/registry.ts";

/** Asks a person to agree to a change that concerns the named restricted credential. Rejects if they do not. */
export type Consent = (restricted: string) => Promise<void>;

/**
 * Says which restricted credentials a change concerns, before any of them is changed or given away.
 * Undefined is ignored.
 */
export type Needs = (...restricted: readonly (string | undefined)[]) => void;

/**
 * Runs `work` in a turn. There, before it changes anything, `work` calls `needs`. If consent is
 * missing, the turn ends, a person is asked while other work has its turns, and `work` starts again in
 * another turn.
 */
export async function withConsent<T>(
  ask: Consent,
  inTurn: (work: () => Promise<T>) => Promise<T>,
  work: (needs: Needs) => Promise<T>,
): Promise<T> {
  const agreed = new Set<string>();
  const needs: Needs = (...restricted) => {
    const missing = restricted.find((name) => name !== undefined && !agreed.has(name));
    if (missing !== undefined) throw new ConsentMissing(missing);
  };
  for (;;) {
    try {
      return await inTurn(() => work(needs));
    } catch (error) {
      if (!(error instanceof ConsentMissing)) throw error;
      await ask(error.restricted);
      agreed.add(error.restricted);
    }
  }
}

/** Ends a turn whose work lacks consent. `withConsent` catches it always. */
class ConsentMissing extends Error {
  readonly restricted: string;

  constructor(restricted: string) {
    super(`a person has not agreed yet: ${restricted}`);
    this.restricted = restricted;
  }
}

/** Returns `name` if the credential is restricted, for `Needs`. */
export function ifRestricted(
  registry: Pick<Registry, "isGuarded">,
  name: string,
): string | undefined {
  return registry.isGuarded(name) ? name : undefined;
}
