import type { Clock } from "../base/clock.ts";
import { AuthdError } from "../errors.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { PendingRefresh } from "./token-slot.ts";

/** Thrown to the waiting code itself when `patience` is at its end; never leaves the daemon's core. */
export const WAIT_LIMIT = new Error("out of patience");

export interface Wait {
  credential: string;
  clock: Clock;
  /** Milliseconds, the caller's own limit: AuthdError `timeout`. */
  timeoutMs?: number | undefined;
  /** Milliseconds after which the wait makes no sense: OUT_OF_PATIENCE. */
  patience?: number;
  signal?: AbortSignal | undefined;
}

/** Waits for a flight without owning it: whoever gives up leaves it flying. */
export async function waitFor(pendingRefresh: PendingRefresh, wait: Wait): Promise<IssuedToken> {
  const { credential, clock, signal } = wait;
  const { timeoutMs = Number.POSITIVE_INFINITY, patience = Number.POSITIVE_INFINITY } = wait;
  if (signal?.aborted) throw cancelled(credential);
  pendingRefresh.awaited = true;
  if (patience <= 0) throw WAIT_LIMIT;
  const limit = Math.min(patience, timeoutMs);
  let stop = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    const late = () => reject(patience <= timeoutMs ? WAIT_LIMIT : tooLate(credential, limit));
    const timer = Number.isFinite(limit) ? clock.schedule(limit, late) : undefined;
    const abort = () => reject(cancelled(credential));
    signal?.addEventListener("abort", abort, { once: true });
    stop = () => {
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
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

function tooLate(credential: string, limit: number): AuthdError {
  return new AuthdError(
    "timeout",
    `${credential}: no token within ${limit} ms; the request to the issuer goes on`,
    { credential },
  );
}
