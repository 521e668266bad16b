import { backoff } from "./schedule.ts";

/** A 401 is not about a token this young. */
export const JUST_OBTAINED_MS = 3_000;

interface OriginState {
  /** The last token that this origin accepted. */
  accepted?: object;
  /** Refreshes and refused new tokens since then. */
  failures: number;
  /** A 401 before this boot time (ms) refreshes nothing. */
  notBefore: number;
}

/**
 * Decides, for each origin, whether a 401 may trigger a token refresh. An API can answer 401 for other
 * reasons, and refreshing on each would flood the issuer.
 */
export class UnauthorizedBackoff {
  readonly #origins = new Map<string, OriginState>();

  recordAccepted(origin: string, token: object): void {
    const state = this.#origins.get(origin);
    if (state?.accepted === token && state.failures === 0) return;
    this.#origins.set(origin, { accepted: token, failures: 0, notBefore: 0 });
  }

  /** True if an origin accepted this token before it refused any. */
  hasWorked(token: object): boolean {
    return [...this.#origins.values()].some(({ accepted }) => accepted === token);
  }

  /**
   * True if a 401 from `origin` should refresh `token`: this origin accepted it before, or its `age` (ms) is
   * over 3 s. Each refresh, and each 401 for a token just obtained, postpones the next refresh like a
   * failure, until the origin accepts a token.
   */
  shouldRefresh(
    origin: string,
    token: object,
    { age, now, random }: { age: number; now: number; random: number },
  ): boolean {
    const state = this.#origins.get(origin) ?? { failures: 0, notBefore: 0 };
    this.#origins.set(origin, state);
    if (now < state.notBefore) return false;
    state.failures++;
    state.notBefore = now + backoff({ failures: state.failures, random });
    return state.accepted === token || age > JUST_OBTAINED_MS;
  }
}
