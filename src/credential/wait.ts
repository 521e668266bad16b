import type { Cancellation } from "../base/cancellation.ts";
import type { Clock } from "../base/clock.ts";
import { AuthdError } from "../errors.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { PendingRefresh } from "./token-slot.ts";

/** Thrown when `maxWaitMs` is over. It never leaves this folder: callers get an AuthdError or a cached token. */
export const WAIT_LIMIT = new Error("the wait limit is reached");

/** How long a caller waits. */
export interface WaitLimits {
  /** The caller's own limit: AuthdError `timeout`. */
  timeoutMs?: number | undefined;
  signal?: Cancellation | undefined;
}

export interface WaitOptions extends WaitLimits {
  credential: string;
  clock: Clock;
  /** The wait makes no sense beyond this: WAIT_LIMIT. */
  maxWaitMs?: number | undefined;
}

/** Waits for a request without owning it: a caller that gives up does not cancel it. */
export async function waitFor(
  pendingRefresh: PendingRefresh,
  options: WaitOptions,
): Promise<IssuedToken> {
  const { credential, clock, signal } = options;
  const { timeoutMs = Number.POSITIVE_INFINITY, maxWaitMs = Number.POSITIVE_INFINITY } = options;
  if (signal?.aborted) throw cancelled(credential);
  pendingRefresh.awaited = true;
  if (maxWaitMs <= 0) throw WAIT_LIMIT;
  const limitMs = Math.min(maxWaitMs, timeoutMs);
  let stop = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    const onLimit = () =>
      reject(maxWaitMs <= timeoutMs ? WAIT_LIMIT : timedOut(credential, limitMs));
    const timer = Number.isFinite(limitMs) ? clock.schedule(limitMs, onLimit) : undefined;
    const onAbort = () => reject(cancelled(credential));
    signal?.addEventListener("abort", onAbort, { once: true });
    stop = () => {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
  });
  try {
    return await Promise.race([pendingRefresh.promise, givenUp]);
  } finally {
    stop();
  }
}

function cancelled(credential: string): AuthdError {
  return new AuthdError("cancelled", `${credential}: the request was cancelled`, { credential });
}

function timedOut(credential: string, limitMs: number): AuthdError {
  return new AuthdError(
    "timeout",
    `${credential}: no token within ${limitMs} ms; the request to the issuer goes on`,
    { credential },
  );
}
