import type { Moment } from "../base/timekeeper.ts";
import { grantNamed } from "../grants/index.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { backoff } from "./schedule.ts";
import { forceRefresh } from "./slow-path.ts";
import { demandsMore } from "./step-up.ts";
import { freshness } from "./token.ts";
import type { WaitLimits } from "./wait.ts";

/** A 401 is not about a token this young. */
const JUST_OBTAINED_MS = 3_000;

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

/** A 401 of an API. `challenge` is its WWW-Authenticate. */
interface Unauthorized {
  origin: string;
  issued: IssuedToken;
  challenge: string | undefined;
}

/** Returns the token to repeat a request with after a 401; undefined if the 401 is the caller's response. */
export async function refreshAfter401(
  { deps, blocker, settings, tokens, refresher, unauthorized }: Lifecycle,
  { origin, issued, challenge }: Unauthorized,
  limits: WaitLimits,
): Promise<IssuedToken | undefined> {
  const slot = tokens.own;
  const now = deps.time.now();
  const { grant, own, fields } = settings;
  const isStatic = grantNamed(grant).issuerUrl(own, fields) === undefined;
  if (blocker || isStatic || demandsMore(challenge)) return undefined;
  const current = slot.issued;
  const isReplaced = current && current.accessToken !== issued.accessToken;
  if (isReplaced && freshness(current.token, now) !== "expired") return current;
  const random = deps.clock.random();
  const about = { age: ageMs(issued, now), now: now.boot, random };
  const mayRefresh = slot.pendingRefresh || unauthorized.shouldRefresh(origin, issued, about);
  if (!mayRefresh) return undefined;
  if (current === issued && unauthorized.hasWorked(issued)) refresher.onRevoked(slot);
  return await forceRefresh(refresher, slot, limits, now, true).catch(() => undefined);
}

/** True for a token so young that its rejection is not about the token. */
export function isJustObtained(issued: IssuedToken, now: Moment): boolean {
  return ageMs(issued, now) <= JUST_OBTAINED_MS;
}

/** Returns the age of a token; Infinity if it was obtained before this start. */
function ageMs({ isRestored, token }: IssuedToken, now: Moment): number {
  return isRestored ? Number.POSITIVE_INFINITY : now.boot - token.bornAt;
}
