import type { Moment } from "../base/timekeeper.ts";
import { AuthdError } from "../errors.ts";
import { backoff } from "./backoff.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { HostHealth } from "./host-limiter.ts";
import type { IssuedToken } from "./issued-token.ts";
import { expiryOf, freshness } from "./token.ts";
import type { TokenRefresher } from "./token-refresher.ts";
import type { PendingRefresh, TokenSlot } from "./token-slot.ts";
import { WAIT_LIMIT, waitFor } from "./wait.ts";

const SECOND = 1_000;
/** How long a caller waits for a flight, unless it forces a refresh (ms). */
const STALE_WAIT_MS = 5 * SECOND;
/** A token that is still valid is handed out this long (ms) before it no longer is. */
const EXPIRY_MARGIN_MS = 100;
/** A forced refresh this soon after a refresh gets that one's token (ms). */
const FORCE_DEDUPE_MS = SECOND;
/**
 * A token rejected at this age (ms) had worked before: the rejections up to then are forgotten. More
 * than the longest back-off, which would end itself otherwise.
 */
const REJECTION_RESET_AGE_MS = 600 * SECOND;

export interface GetTokenOptions {
  scope?: string | undefined;
  audience?: string | undefined;
  /** Milliseconds. */
  minValidity?: number | undefined;
  forceRefresh?: boolean | undefined;
  rejectedToken?: string | undefined;
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export type Limits = Pick<GetTokenOptions, "timeoutMs" | "signal">;

/** What callers get when no fresh token is at hand: a flight's, the one that is still valid, or an error. */
export class SlowPath {
  readonly #credential: string;
  readonly #deps: CredentialDeps;
  readonly #refresher: TokenRefresher;

  constructor(credential: string, deps: CredentialDeps, refresher: TokenRefresher) {
    this.#credential = credential;
    this.#deps = deps;
    this.#refresher = refresher;
  }

  /** A newer token, or an error: never the one there is. `rejected`: an API refused that one. */
  async force(
    slot: TokenSlot,
    options: GetTokenOptions,
    now: Moment,
    rejected: boolean,
  ): Promise<IssuedToken> {
    const stopped = this.#refresher.rejectedWith ?? slot.rejectedWith;
    const { issued, pendingRefresh: flight } = slot;
    if (stopped && !flight) throw stopped;
    if (rejected) slot.rejectedToken = issued?.accessToken;
    if (flight) {
      // It may have been started by the timer, to wait for a disk that fails: this caller can't.
      flight.forced = true;
      return await this.#newer(slot, flight, options);
    }
    if (issued && options.forceRefresh && now.boot - slot.receivedAt < FORCE_DEDUPE_MS)
      return issued;
    // As good as no token at all.
    if (rejected && isCoolingDown(slot, now)) this.#refresher.bringForward(slot, now);
    if (isCoolingDown(slot, now)) throw this.#unavailable(slot, now);
    if (issued && options.rejectedToken !== undefined) this.#countRejection(slot, issued, now);
    this.#refresher.admit(slot, now, true);
    return await this.#newer(slot, this.#refresher.start(slot, true, { forced: true }), options);
  }

  /** Returns the flight's token. Who forces a refresh waits as long as they want to, others as without any token. */
  async #newer(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    options: GetTokenOptions,
  ): Promise<IssuedToken> {
    const health = this.#deps.hostLimiter.health(pendingRefresh);
    try {
      return await this.wait(
        pendingRefresh,
        options,
        options.forceRefresh ? undefined : maxWaitForHostMs(health),
      );
    } catch (error) {
      if (error !== WAIT_LIMIT) throw error;
      throw this.#unavailable(slot, this.#deps.time.now());
    }
  }

  /** A program that finds every new token rejected must not make us hammer the issuer. */
  #countRejection(slot: TokenSlot, { isRestored: revived, token }: IssuedToken, now: Moment): void {
    const age = revived ? Number.POSITIVE_INFINITY : now.boot - token.bornAt;
    if (age >= Math.min(REJECTION_RESET_AGE_MS, token.lifetime / 2)) slot.rejections = 0;
    else if (now.boot < slot.rejectionCooldownUntil) {
      throw new AuthdError(
        "issuer_unavailable",
        `${this.#credential}: the API rejects tokens that were only just obtained, so another would hardly fare better; check what this account may do`,
        {
          credential: this.#credential,
          retryAfterMs: Math.ceil(slot.rejectionCooldownUntil - now.boot),
        },
      );
    }
    slot.rejections++;
    const about = { failures: slot.rejections, random: this.#deps.clock.random() };
    slot.rejectionCooldownUntil = now.boot + backoff(about);
  }

  /** A fresh token if one can be had soon, otherwise the one that is still valid. */
  async renew(slot: TokenSlot, options: GetTokenOptions, now: Moment): Promise<IssuedToken> {
    const usable = () => {
      const { issued } = slot;
      if (!issued || issued.accessToken === options.rejectedToken) return undefined;
      return freshness(issued.token, this.#deps.time.now()) === "expired" ? undefined : issued;
    };
    const held = usable();
    const stopped = this.#refresher.rejectedWith ?? slot.rejectedWith;
    if (held && (stopped || isCoolingDown(slot, now))) return held;
    if (stopped && !slot.pendingRefresh) throw stopped;
    if (isCoolingDown(slot, now)) {
      this.#refresher.bringForward(slot, now);
      if (isCoolingDown(slot, now)) throw this.#unavailable(slot, now);
    }
    if (!slot.pendingRefresh) this.#refresher.admit(slot, now);
    const pendingRefresh = slot.pendingRefresh ?? this.#refresher.start(slot, true);
    try {
      const health = this.#deps.hostLimiter.health(pendingRefresh);
      return await this.wait(
        pendingRefresh,
        options,
        maxWaitMs(slot, { held, health: health }, now),
      );
    } catch (error) {
      const cancelled = error instanceof AuthdError && error.reason === "cancelled";
      const left = cancelled ? undefined : usable();
      if (left) return left;
      if (error !== WAIT_LIMIT) throw error;
      const later = this.#deps.time.now();
      if (!held) throw this.#unavailable(slot, later);
      // It ended meanwhile (the machine slept, or was busy): this caller is one without a token now.
      return await this.renew(slot, shortened(options, later.boot - now.boot), later);
    }
  }

  /** `patience` counts from the moment at which the flight may be sent. */
  async wait(
    pendingRefresh: PendingRefresh,
    limits: Limits,
    patience?: number,
  ): Promise<IssuedToken> {
    const { timeoutMs, signal } = limits;
    const codeInMs = (pendingRefresh.pause?.untilBootMs ?? 0) - this.#deps.time.now().boot;
    if (codeInMs >= (timeoutMs ?? Number.POSITIVE_INFINITY) && !signal?.aborted) {
      throw codeIsUsed(this.#credential, codeInMs);
    }
    const longer =
      patience === undefined || patience <= 0 ? patience : patience + Math.max(0, codeInMs);
    return await waitFor(pendingRefresh, {
      credential: this.#credential,
      clock: this.#deps.clock,
      timeoutMs,
      signal,
      ...(longer === undefined ? {} : { patience: longer }),
    });
  }

  #unavailable({ retryAt, error, pendingRefresh: flight }: TokenSlot, now: Moment): AuthdError {
    const credential = this.#credential;
    const retryAfterMs = Math.max(SECOND, Math.ceil(retryAt - now.boot));
    const seconds = Math.ceil(retryAfterMs / SECOND);
    const why = error?.message ?? `${credential}: the issuer has not answered yet.`;
    const next = flight
      ? `A request is under way: ask again in ${seconds} s`
      : `Next try in ${seconds} s`;
    const message = `${why} ${next}.`;
    return new AuthdError("issuer_unavailable", message, {
      credential,
      retryAfterMs,
      ...(error?.oauth ? { oauth: error.oauth } : {}),
    });
  }
}

/** Nothing is sent before the next one-time code, and the caller's time limit ends earlier. */
function codeIsUsed(credential: string, codeInMs: number): AuthdError {
  const seconds = Math.ceil(codeInMs / SECOND);
  const message = `${credential}: its one-time code was sent already, and issuers take each code once; authd signs in with the next one in ${seconds} s.`;
  const retryAfterMs = Math.max(SECOND, Math.ceil(codeInMs));
  return new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
}

/** The same for who has waited `ms` already. */
function shortened(options: GetTokenOptions, ms: number): GetTokenOptions {
  return options.timeoutMs === undefined
    ? options
    : { ...options, timeoutMs: Math.max(0, options.timeoutMs - ms) };
}

/** Between two tries. */
function isCoolingDown(slot: TokenSlot, now: Moment): boolean {
  return !slot.pendingRefresh && slot.retryAt > now.boot;
}

/** How long it makes sense to wait for a flight (ms). */
function maxWaitMs(
  { failures, pendingRefresh: flight }: TokenSlot,
  { held, health }: { held: IssuedToken | undefined; health: HostHealth },
  now: Moment,
): number {
  if (!held) return maxWaitForHostMs(health);
  // What is known to fail is not worth the time that the token still has.
  if (failures > 0 || health !== "fair" || flight?.pause) return 0;
  return Math.min(STALE_WAIT_MS, Math.max(0, expiryOf(held.token) - now.boot - EXPIRY_MARGIN_MS));
}

/** Milliseconds. What queues for a host that does not answer is not worth any. */
function maxWaitForHostMs(health: HostHealth): number {
  return health === "none" ? 0 : STALE_WAIT_MS;
}
