import { AuthdError } from "../errors.ts";
import type { Moment } from "../timekeeper.ts";
import { expiryOf, freshness } from "../token.ts";
import { backoff } from "./backoff.ts";
import type { IssuedToken } from "./issued.ts";
import type { Outlook } from "./lanes.ts";
import type { Renewals } from "./renewals.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Flight, Variant } from "./variant.ts";
import { OUT_OF_PATIENCE, waitFor } from "./wait.ts";

const SECOND = 1_000;
/** How long a caller waits for a flight, unless it forces a refresh (ms). */
const PATIENCE = 5 * SECOND;
/** A token that is still valid is handed out this long (ms) before it no longer is. */
const JUST_BEFORE = 100;
/** A forced refresh this soon after a refresh gets that one's token (ms). */
const JUST_REFRESHED = SECOND;
/**
 * A token rejected at this age (ms) had worked before: the rejections up to then are forgotten. More
 * than the longest back-off, which would end itself otherwise.
 */
const WORKED_FOR = 600 * SECOND;

export interface TokenWant {
  scope?: string | undefined;
  audience?: string | undefined;
  /** Milliseconds. */
  minValidity?: number | undefined;
  forceRefresh?: boolean | undefined;
  rejectedToken?: string | undefined;
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export type Limits = Pick<TokenWant, "timeoutMs" | "signal">;

/** What callers get when no fresh token is at hand: a flight's, the one that is still valid, or an error. */
export class Asking {
  readonly #credential: string;
  readonly #around: Surroundings;
  readonly #renewals: Renewals;

  constructor(credential: string, around: Surroundings, renewals: Renewals) {
    this.#credential = credential;
    this.#around = around;
    this.#renewals = renewals;
  }

  /** A newer token, or an error: never the one there is. `rejected`: an API refused that one. */
  async force(
    variant: Variant,
    want: TokenWant,
    now: Moment,
    rejected: boolean,
  ): Promise<IssuedToken> {
    const stopped = this.#renewals.stopped ?? variant.stopped;
    const { issued, flight } = variant;
    if (stopped && !flight) throw stopped;
    if (rejected) variant.useless = issued?.accessToken;
    if (flight) {
      // It may have been started by the timer, to wait for a disk that fails: this caller can't.
      flight.forced = true;
      return await this.#newer(variant, flight, want);
    }
    if (issued && want.forceRefresh && now.boot - variant.landedAt < JUST_REFRESHED) return issued;
    // As good as no token at all.
    if (rejected && isResting(variant, now)) this.#renewals.bringForward(variant, now);
    if (isResting(variant, now)) throw this.#unavailable(variant, now);
    if (issued && want.rejectedToken !== undefined) this.#countRejection(variant, issued, now);
    this.#renewals.admit(variant, now, true);
    return await this.#newer(variant, this.#renewals.start(variant, true, { forced: true }), want);
  }

  /** Returns the flight's token. Who forces a refresh waits as long as they want to, others as without any token. */
  async #newer(variant: Variant, flight: Flight, want: TokenWant): Promise<IssuedToken> {
    const outlook = this.#around.lanes.outlook(flight);
    try {
      return await this.wait(flight, want, want.forceRefresh ? undefined : patienceWith(outlook));
    } catch (error) {
      if (error !== OUT_OF_PATIENCE) throw error;
      throw this.#unavailable(variant, this.#around.time.now());
    }
  }

  /** A program that finds every new token rejected must not make us hammer the issuer. */
  #countRejection(variant: Variant, { revived, token }: IssuedToken, now: Moment): void {
    const age = revived ? Number.POSITIVE_INFINITY : now.boot - token.bornAt;
    if (age >= Math.min(WORKED_FOR, token.lifetime / 2)) variant.rejections = 0;
    else if (now.boot < variant.rejectionsHold) {
      throw new AuthdError(
        "issuer_unavailable",
        `${this.#credential}: the API rejects tokens that were only just obtained, so another would hardly fare better; check what this account may do`,
        {
          credential: this.#credential,
          retryAfterMs: Math.ceil(variant.rejectionsHold - now.boot),
        },
      );
    }
    variant.rejections++;
    const about = { failures: variant.rejections, random: this.#around.clock.random() };
    variant.rejectionsHold = now.boot + backoff(about);
  }

  /** A fresh token if one can be had soon, otherwise the one that is still valid. */
  async renew(variant: Variant, want: TokenWant, now: Moment): Promise<IssuedToken> {
    const usable = () => {
      const { issued } = variant;
      if (!issued || issued.accessToken === want.rejectedToken) return undefined;
      return freshness(issued.token, this.#around.time.now()) === "expired" ? undefined : issued;
    };
    const held = usable();
    const stopped = this.#renewals.stopped ?? variant.stopped;
    if (held && (stopped || isResting(variant, now))) return held;
    if (stopped && !variant.flight) throw stopped;
    if (isResting(variant, now)) {
      this.#renewals.bringForward(variant, now);
      if (isResting(variant, now)) throw this.#unavailable(variant, now);
    }
    if (!variant.flight) this.#renewals.admit(variant, now);
    const flight = variant.flight ?? this.#renewals.start(variant, true);
    try {
      const outlook = this.#around.lanes.outlook(flight);
      return await this.wait(flight, want, patienceFor(variant, { held, outlook }, now));
    } catch (error) {
      const cancelled = error instanceof AuthdError && error.reason === "cancelled";
      const left = cancelled ? undefined : usable();
      if (left) return left;
      if (error !== OUT_OF_PATIENCE) throw error;
      const later = this.#around.time.now();
      if (!held) throw this.#unavailable(variant, later);
      // It ended meanwhile (the machine slept, or was busy): this caller is one without a token now.
      return await this.renew(variant, shortened(want, later.boot - now.boot), later);
    }
  }

  /** `patience` counts from the moment at which the flight may be sent. */
  async wait(flight: Flight, limits: Limits, patience?: number): Promise<IssuedToken> {
    const { timeoutMs, signal } = limits;
    const codeInMs = (flight.pause?.untilBootMs ?? 0) - this.#around.time.now().boot;
    if (codeInMs >= (timeoutMs ?? Number.POSITIVE_INFINITY) && !signal?.aborted) {
      throw codeIsUsed(this.#credential, codeInMs);
    }
    const longer =
      patience === undefined || patience <= 0 ? patience : patience + Math.max(0, codeInMs);
    return await waitFor(flight, {
      credential: this.#credential,
      clock: this.#around.clock,
      timeoutMs,
      signal,
      ...(longer === undefined ? {} : { patience: longer }),
    });
  }

  #unavailable({ retryAt, error, flight }: Variant, now: Moment): AuthdError {
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
function shortened(want: TokenWant, ms: number): TokenWant {
  return want.timeoutMs === undefined
    ? want
    : { ...want, timeoutMs: Math.max(0, want.timeoutMs - ms) };
}

/** Between two tries. */
function isResting(variant: Variant, now: Moment): boolean {
  return !variant.flight && variant.retryAt > now.boot;
}

/** How long it makes sense to wait for a flight (ms). */
function patienceFor(
  { failures, flight }: Variant,
  { held, outlook }: { held: IssuedToken | undefined; outlook: Outlook },
  now: Moment,
): number {
  if (!held) return patienceWith(outlook);
  // What is known to fail is not worth the time that the token still has.
  if (failures > 0 || outlook !== "fair" || flight?.pause) return 0;
  return Math.min(PATIENCE, Math.max(0, expiryOf(held.token) - now.boot - JUST_BEFORE));
}

/** Milliseconds. What queues for a host that does not answer is not worth any. */
function patienceWith(outlook: Outlook): number {
  return outlook === "none" ? 0 : PATIENCE;
}
