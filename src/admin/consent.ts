import type { Registry } from "../credential/registry.ts";

/**
 * Asks a person to agree to a change that concerns the named restricted credential; `what` describes it.
 * Rejects if they do not.
 */
export type Consent = (restricted: string, what?: string) => Promise<void>;

/**
 * Says that a change concerns a restricted credential, before any is changed or given away. `describe`
 * returns what a person agrees to; if that is something else in a later turn, they are asked again.
 * Undefined is ignored.
 */
export type Needs = (restricted: string | undefined, describe?: () => string) => void;

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
  const needs: Needs = (restricted, describe) => {
    if (restricted === undefined) return;
    const missing = new ConsentMissing(restricted, describe?.());
    if (!agreed.has(missing.key)) throw missing;
  };
  for (;;) {
    try {
      return await inTurn(() => work(needs));
    } catch (error) {
      if (!(error instanceof ConsentMissing)) throw error;
      await ask(error.restricted, error.what);
      agreed.add(error.key);
    }
  }
}

/** Ends a turn whose work lacks consent. `withConsent` catches it always. */
class ConsentMissing extends Error {
  readonly restricted: string;
  /** Describes the change; undefined: its method says all. */
  readonly what: string | undefined;

  constructor(restricted: string, what: string | undefined) {
    super(`a person has not agreed yet: ${restricted}`);
    this.restricted = restricted;
    this.what = what;
  }

  /** Equal for the same change of the same credential. */
  get key(): string {
    return JSON.stringify([this.restricted, this.what]);
  }
}

/** Returns `name` if the credential is restricted, for `Needs`. */
export function ifRestricted(
  registry: Pick<Registry, "isGuarded">,
  name: string,
): string | undefined {
  return registry.isGuarded(name) ? name : undefined;
}

/** Returns consent that is asked for once for each change, also where it takes several turns. */
export function once(ask: Consent): Consent {
  const agreed = new Set<string>();
  return async (restricted, what) => {
    const key = JSON.stringify([restricted, what]);
    if (agreed.has(key)) return;
    await ask(restricted, what);
    agreed.add(key);
  };
}
