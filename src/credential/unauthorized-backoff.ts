import { backoff } from "./backoff.ts";

/** A token this young (ms) is not what a 401 is about. */
export const JUST_OBTAINED_MS = 3_000;

interface OriginState {
  /** The last token that this origin took. */
  accepted?: object;
  /** Renewals and refused new tokens since then. */
  failures: number;
  /** Boot time before which a 401 renews nothing. */
  holdUntil: number;
}

/**
 * A 401 is not always the token's fault: an API may refuse for reasons of its own, and renewing for
 * each refusal would hammer the issuer. Kept per origin.
 */
export class UnauthorizedBackoff {
  readonly #standings = new Map<string, OriginState>();

  accepted(origin: string, token: object): void {
    const standing = this.#standings.get(origin);
    if (standing?.accepted === token && standing.failures === 0) return;
    this.#standings.set(origin, { accepted: token, failures: 0, holdUntil: 0 });
  }

  /** True if an origin took this token before it refused any. */
  hasWorked(token: object): boolean {
    return [...this.#standings.values()].some(({ accepted }) => accepted === token);
  }

  /**
   * Whether a 401 from `origin` should renew `token`. Yes for one that this origin took before, that
   * is older than 3 s (`age`, ms) or from before this start; each yes, and each 401 for a token just
   * obtained, puts the next yes off like a failure, until the origin takes a token.
   */
  shouldRenew(
    origin: string,
    token: object,
    { age, now, random }: { age: number; now: number; random: number },
  ): boolean {
    const standing = this.#standings.get(origin) ?? { failures: 0, holdUntil: 0 };
    this.#standings.set(origin, standing);
    if (now < standing.holdUntil) return false;
    standing.failures++;
    standing.holdUntil = now + backoff({ failures: standing.failures, random });
    return standing.accepted === token || age > JUST_OBTAINED_MS;
  }
}
