/** Bounds the token requests that callers cause, whatever they ask for. */

import type { Clock } from "../base/clock.ts";
import { RateLimiter } from "../base/rate-limiter.ts";
import type { Moment } from "../base/timekeeper.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { RefreshContext } from "./refresh-context.ts";
import { callerRetryAt } from "./schedule.ts";
import { revokedTooOften } from "./superseded.ts";
import { hostOf } from "./token-requests.ts";
import type { TokenSlot } from "./token-slot.ts";

const MINUTE = 60_000;
/** Requests of one credential: 60 at once, then one every 5 s. */
const REQUESTS = { count: 60, perMs: 5 * MINUTE };
/** Requests of all credentials to one host whose last request failed: 30 at once, then one every 2 s. */
const RETRIES = { count: 30, perMs: MINUTE };

/** Counts what callers cause, for all credentials. */
export class CallerRates {
  readonly #requests: RateLimiter;
  readonly #retries: RateLimiter;

  constructor(clock: Clock) {
    this.#requests = new RateLimiter(clock);
    this.#retries = new RateLimiter(clock);
  }

  /**
   * Counts a request that only a caller wants: a forced refresh, a first token for a scope or an
   * audience. Throws AuthdError `issuer_unavailable` if it is one too many.
   */
  countRequest(credential: string): void {
    const retryAfterMs = this.#requests.take(credential, REQUESTS);
    if (retryAfterMs === 0) return;
    const message = `${credential}: programs asked for so many new tokens that the next one is obtained in ${Math.ceil(retryAfterMs / 1_000)} s; let them use the token that they were given until it ends`;
    throw new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
  }

  /** Counts a retry that a caller causes at a failing host; false if it is one too many. */
  mayRetry(host: string): boolean {
    return this.#retries.take(host, RETRIES) === 0;
  }
}

/** Throws AuthdError if a caller may not cause this request now. `forced`: the caller refuses the cached token. */
export function admitRequest(
  { deps, owner, refusals }: RefreshContext,
  slot: TokenSlot,
  now: Moment,
  forced = false,
): void {
  const { stored, tokens } = owner;
  const { name } = owner.current().settings;
  const isNew = slot !== tokens.own && !slot.issued && slot.failures === 0;
  if (isNew && !slot.superseded) refusals.admitTarget(stored.record, name, now);
  if (slot.superseded && now.boot < slot.rejectionCooldownUntil) {
    throw revokedTooOften(name, slot, now);
  }
  if (isNew || slot.superseded || forced) deps.callerRates.countRequest(name);
}

/** Moves the next try of `slot` forward for a waiting caller, as far as back-off and the issuer allow. */
export function retrySooner({ deps, owner }: RefreshContext, slot: TokenSlot, now: Moment): void {
  const { settings } = owner.current();
  const at = callerRetryAt(slot, now);
  if (at >= slot.retryAt) return;
  const host = hostOf(grantNamed(settings.grant).issuerUrl(settings.own, settings.fields));
  const isFailing = host !== undefined && deps.hostLimiter.isFailing(host);
  if (isFailing && !deps.callerRates.mayRetry(host)) return;
  slot.retryAt = at;
  deps.reschedule(settings.name, at);
}
