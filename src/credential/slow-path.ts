/** Answers callers when no fresh token is cached: with a new one, one that is still valid, or an error. */

import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import { AuthdError } from "../errors.ts";
import { admitRequest, retrySooner } from "./admission.ts";
import type { HostHealth } from "./host-limiter.ts";
import type { IssuedToken } from "./issued-token.ts";
import { backoff } from "./schedule.ts";
import { StoreRefuses } from "./shared/store-refuses.ts";
import { expiryOf, freshness, isLongLived } from "./token.ts";
import type { TokenRefresher } from "./token-refresher.ts";
import type { PendingRefresh, TokenSlot } from "./token-slot.ts";
import { WAIT_LIMIT, type WaitLimits, waitFor } from "./wait.ts";

const SECOND = 1_000;
/** How long a caller waits for a request, unless it forces a refresh. */
const STALE_WAIT_MS = 5 * SECOND;
/** A token that is still valid is handed out this long before its end. */
const EXPIRY_MARGIN_MS = 100;
/** A forced refresh this soon after another gets that one's token. */
const FORCE_DEDUPE_MS = SECOND;

/** Options of a `getToken` call. */
export interface GetTokenOptions extends WaitLimits {
  scope?: string | undefined;
  audience?: string | undefined;
  /** Milliseconds that the token must still be valid for. */
  minValidity?: number | undefined;
  forceRefresh?: boolean | undefined;
  /** The token that an API refused. */
  rejectedToken?: string | undefined;
}

/** Returns a token newer than the cached one, or throws. `rejected`: an API answered 401 to the cached one. */
export async function forceRefresh(
  refresher: TokenRefresher,
  slot: TokenSlot,
  options: GetTokenOptions,
  now: Moment,
  rejected: boolean,
): Promise<IssuedToken> {
  const rejection = refresher.status.rejectedWith ?? slot.rejectedWith;
  const { issued, pendingRefresh } = slot;
  if (rejection && !pendingRefresh) throw rejection;
  if (rejected) slot.rejectedToken = issued?.accessToken;
  if (pendingRefresh) {
    // The timer may have started it to wait for a failing disk; this caller can't wait for that.
    pendingRefresh.forced = true;
    return await newToken(refresher, slot, pendingRefresh, options);
  }
  const isJustReceived = now.boot - slot.receivedAt < FORCE_DEDUPE_MS;
  if (issued && options.forceRefresh && isJustReceived) return issued;
  // A rejected token is as good as none.
  if (rejected && isCoolingDown(slot, now)) retrySooner(refresher, slot, now);
  if (isCoolingDown(slot, now)) throw unavailable(refresher.credential, slot, now);
  if (issued && options.rejectedToken !== undefined) countRejection(refresher, slot, issued, now);
  admitRequest(refresher, slot, now, true);
  const started = refresher.start(slot, true, { forced: true });
  return await newToken(refresher, slot, started, options);
}

/** Returns the request's token. A caller that forces a refresh waits up to its own `timeoutMs`. */
async function newToken(
  refresher: TokenRefresher,
  slot: TokenSlot,
  pendingRefresh: PendingRefresh,
  options: GetTokenOptions,
): Promise<IssuedToken> {
  const health = refresher.deps.hostLimiter.health(pendingRefresh);
  const maxWaitMs = options.forceRefresh ? undefined : maxWaitForHostMs(health);
  try {
    return await waitForRefresh(refresher, pendingRefresh, options, maxWaitMs);
  } catch (error) {
    if (error !== WAIT_LIMIT) throw error;
    throw unavailable(refresher.credential, slot, refresher.deps.time.now());
  }
}

/** Slows down a program that finds every new token rejected, so that it does not flood the issuer. */
function countRejection(
  { deps, credential }: TokenRefresher,
  slot: TokenSlot,
  { isRestored, token }: IssuedToken,
  now: Moment,
): void {
  if (isRestored || isLongLived(token, now)) slot.rejections = 0;
  else if (now.boot < slot.rejectionCooldownUntil) {
    const message = `${credential}: the API rejects tokens that were only just obtained, so another would hardly fare better; check what this account may do`;
    const retryAfterMs = Math.ceil(slot.rejectionCooldownUntil - now.boot);
    throw new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
  }
  slot.rejections++;
  const about = { failures: slot.rejections, random: deps.clock.random() };
  slot.rejectionCooldownUntil = now.boot + backoff(about);
}

/** Returns a fresh token if one comes soon, otherwise the cached one if it is still valid (stale-if-error). */
export async function refreshOrServeStale(
  refresher: TokenRefresher,
  slot: TokenSlot,
  options: GetTokenOptions,
  now: Moment,
): Promise<IssuedToken> {
  const { time, hostLimiter } = refresher.deps;
  const held = usableToken(slot, options, now);
  const pendingRefresh = joinOrStart(refresher, slot, held, now);
  if (!pendingRefresh) return held!;
  const health = hostLimiter.health(pendingRefresh);
  try {
    const maxWaitMs = maxWaitForTokenMs(slot, { held, health }, now);
    return await waitForRefresh(refresher, pendingRefresh, options, maxWaitMs);
  } catch (error) {
    const later = time.now();
    const isCancelled = error instanceof AuthdError && error.reason === "cancelled";
    const left = isCancelled ? undefined : usableToken(slot, options, later);
    if (left) return left;
    if (error !== WAIT_LIMIT) throw error;
    if (!held) throw unavailable(refresher.credential, slot, later);
    // The token ended meanwhile (the machine slept, or was busy): go on as for a caller without any.
    const remaining = withoutElapsed(options, later.boot - now.boot);
    return await refreshOrServeStale(refresher, slot, remaining, later);
  }
}

/** Returns the cached token if it may be handed out. */
function usableToken(
  { issued }: TokenSlot,
  { rejectedToken }: GetTokenOptions,
  now: Moment,
): IssuedToken | undefined {
  if (!issued || issued.accessToken === rejectedToken) return undefined;
  return freshness(issued.token, now) === "expired" ? undefined : issued;
}

/** Returns the request to wait for; undefined if `held` is the answer. Throws AuthdError if nothing may be sent. */
function joinOrStart(
  refresher: TokenRefresher,
  slot: TokenSlot,
  held: IssuedToken | undefined,
  now: Moment,
): PendingRefresh | undefined {
  const rejection = refresher.status.rejectedWith ?? slot.rejectedWith;
  if (held && (rejection || isCoolingDown(slot, now))) return undefined;
  if (slot.pendingRefresh) return slot.pendingRefresh;
  if (rejection) throw rejection;
  if (isCoolingDown(slot, now)) {
    retrySooner(refresher, slot, now);
    if (isCoolingDown(slot, now)) throw unavailable(refresher.credential, slot, now);
  }
  admitRequest(refresher, slot, now);
  return refresher.start(slot, true);
}

/** Waits for a request. `maxWaitMs` counts from the moment at which the request may be sent. */
export async function waitForRefresh(
  { credential, deps }: TokenRefresher,
  pendingRefresh: PendingRefresh,
  { timeoutMs, signal }: WaitLimits,
  maxWaitMs?: number,
): Promise<IssuedToken> {
  const { clock, time } = deps;
  const codeInMs = (pendingRefresh.pause?.untilBootMs ?? 0) - time.now().boot;
  if (codeInMs >= (timeoutMs ?? Number.POSITIVE_INFINITY) && !signal?.aborted) {
    throw codeIsUsed(credential, codeInMs);
  }
  const isBounded = maxWaitMs !== undefined && maxWaitMs > 0;
  const limitMs = isBounded ? maxWaitMs + Math.max(0, codeInMs) : maxWaitMs;
  const options = { credential, clock, timeoutMs, signal, maxWaitMs: limitMs };
  return await waitFor(pendingRefresh, options);
}

function unavailable(
  credential: string,
  { retryAt, error, pendingRefresh }: TokenSlot,
  now: Moment,
): AuthdError {
  if (error instanceof StoreRefuses) return error;
  const retryAfterMs = Math.max(SECOND, Math.ceil(retryAt - now.boot));
  const seconds = Math.ceil(retryAfterMs / SECOND);
  const why = error?.message ?? `${credential}: the issuer has not answered yet.`;
  const next = pendingRefresh
    ? `A request is under way: ask again in ${seconds} s`
    : `Next try in ${seconds} s`;
  const details = omitUndefined({ credential, retryAfterMs, oauth: error?.oauth });
  return new AuthdError("issuer_unavailable", `${why} ${next}.`, details);
}

/** Tells that nothing is sent before the next one-time code, and that the caller's time limit ends earlier. */
function codeIsUsed(credential: string, codeInMs: number): AuthdError {
  const seconds = Math.ceil(codeInMs / SECOND);
  const message = `${credential}: its one-time code was sent already, and issuers take each code once; authd signs in with the next one in ${seconds} s.`;
  const retryAfterMs = Math.max(SECOND, Math.ceil(codeInMs));
  return new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
}

function withoutElapsed(options: GetTokenOptions, elapsedMs: number): GetTokenOptions {
  return options.timeoutMs === undefined
    ? options
    : { ...options, timeoutMs: Math.max(0, options.timeoutMs - elapsedMs) };
}

/** True between a failure and the next try. */
function isCoolingDown(slot: TokenSlot, now: Moment): boolean {
  return !slot.pendingRefresh && slot.retryAt > now.boot;
}

/** Returns how long it makes sense to wait for a request. */
function maxWaitForTokenMs(
  { failures, pendingRefresh }: TokenSlot,
  { held, health }: { held: IssuedToken | undefined; health: HostHealth },
  now: Moment,
): number {
  if (!held) return maxWaitForHostMs(health);
  // A request that will most likely fail is not worth the time that the token still has.
  if (failures > 0 || health !== "healthy" || pendingRefresh?.pause) return 0;
  return Math.min(STALE_WAIT_MS, Math.max(0, expiryOf(held.token) - now.boot - EXPIRY_MARGIN_MS));
}

function maxWaitForHostMs(health: HostHealth): number {
  return health === "blocked" ? 0 : STALE_WAIT_MS;
}
