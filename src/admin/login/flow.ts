/** What the ways of signing in have in common. */
import type { Clock } from "../../base/clock.ts";
import type { Timekeeper } from "../../base/timekeeper.ts";
import { parseUrl } from "../../config/urls.ts";
import type { LoginOutcome, LoginStart } from "../../credential/sign-in.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { LoginContext } from "../../grants/login/index.ts";
import type { LoginStarted } from "../../protocol.ts";

/** A sign-in that a flow works for. */
export interface FlowHost {
  readonly clock: Clock;
  readonly time: Pick<Timekeeper, "now">;
  readonly start: LoginStart;
  /** Tells those who wait. */
  progress(state: "slow_down" | "exchanging"): void;
  /** Puts the outcome in force. Rejects with AuthdError. */
  complete(outcome: LoginOutcome): Promise<void>;
  /** Ends the sign-in with an error. */
  fail(error: unknown): void;
  /** Resolves when a person is asked whether another account than before is right. */
  readonly asked: Promise<void>;
}

/** What a person needs to sign in. */
type Shown = Omit<LoginStarted, "login" | "how" | "expiresAt"> & { expiresInMs: number };

/** One way of signing in, under way. */
export interface Flow {
  readonly shown: Shown;
  /** Takes the address that the browser ended at, where the flow has one. Rejects with AuthdError. */
  redirected?(address: string): Promise<void>;
  close(): void;
}

/** The time that a person has, unless the issuer says another. */
export const LOGIN_TIMEOUT_MS = 5 * 60_000;

/** Returns the context at this moment. */
export function contextNow({ start, time }: Pick<FlowHost, "start" | "time">): LoginContext {
  return { ...start.context, now: time.now().wall };
}

/**
 * Throws AuthdError `invalid_params` for a page that a person should not enter a password at: the issuer's
 * answers name it, and it may be over plain http.
 */
export function assertSecurePage({ context, settings }: LoginStart, url: string, key: string) {
  try {
    parseUrl(url, key, settings.allowInsecureHttp);
  } catch (error) {
    const { credential } = context;
    throw new AuthdError("invalid_params", `${credential}: ${messageOf(error)}`, { credential });
  }
}
