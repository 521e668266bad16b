import { normalizeScope } from "../base/scope.ts";
import type { AuthdError } from "../errors.ts";
import type { EarlyRejections } from "./early-rejections.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { TokenTarget } from "./record.ts";

/** The reason why a token request is sent. */
export interface Purpose {
  /** The caller can't use the cached token. */
  forced?: boolean;
  /** A person asked for it: it is sent although the issuer refused before. */
  byPerson?: boolean;
  /** It only finds out whether the secrets are good, after a caller's scope was refused. */
  verifies?: boolean;
}

/** A token request that is queued or being sent. `awaited`: a caller waits for it, so it goes before the others. */
export interface PendingRefresh extends Purpose {
  awaited: boolean;
  /** The response to a request with a rotating refresh token was lost. */
  lost?: boolean;
  /** Its failure leaves open whether the secrets are good. */
  unverified?: boolean;
  /** It has left the queue, so its settings and secrets can't be replaced any more. */
  sent?: boolean;
  /** Present while it waits for the next one-time code. */
  pause?: Pause | undefined;
  promise: Promise<IssuedToken>;
}

/** A wait that the registry's timer ends. */
interface Pause {
  untilBootMs: number;
  end: () => void;
}

/** One cached token of a credential, by scope and audience, and its failures. Times are boot times in ms. */
export interface TokenSlot {
  readonly key: string;
  readonly target: TokenTarget;
  issued: IssuedToken | undefined;
  pendingRefresh: PendingRefresh | undefined;
  /** When a program last asked for the token; -Infinity: never. */
  lastUsedAt: number;
  /** The value of `lastUsedAt` that is sealed. */
  lastUsedSavedAt: number;
  /** When the last request was queued, or sent once it has left the queue. */
  lastAttemptAt: number;
  /** When the last token came. */
  receivedAt: number;
  /** A refresh that can wait is postponed until then, so that not all start at once after a clock jump. */
  spreadUntil: number;
  /** How often in a row a token was rejected before it had been used for long. */
  rejections: number;
  /** A caller that rejects another token before this is turned away. */
  rejectionCooldownUntil: number;
  /** The token that an API last refused: the refresh that replaces it can't wait for the disk. */
  rejectedToken: string | undefined;
  /** Tokens in a row that an API rejected long before their end. */
  earlyRejections: EarlyRejections | undefined;
  /** Failures in a row. */
  failures: number;
  /** Refusals in a row that were no OAuth errors, of a caller's target. The record counts the credential's own. */
  refusals: number;
  /** The refresh of another slot revoked this one's token. */
  superseded: boolean;
  /** Nothing is sent before this, unless a caller may retry sooner. */
  retryAt: number;
  /** How long after the last request a caller may cause the next. */
  callerRetryDelayMs: number;
  /** Nothing is sent before this, whoever asks: the issuer said so. */
  notBefore: number;
  /** The last failure, until a request succeeds. */
  error: AuthdError | undefined;
  /** The issuer refuses this scope or audience; others may still work. */
  rejectedWith: AuthdError | undefined;
}

export function createTokenSlot(target: TokenTarget): TokenSlot {
  return {
    key: targetKey(target),
    target,
    issued: undefined,
    pendingRefresh: undefined,
    lastUsedAt: Number.NEGATIVE_INFINITY,
    lastUsedSavedAt: Number.NEGATIVE_INFINITY,
    lastAttemptAt: Number.NEGATIVE_INFINITY,
    receivedAt: Number.NEGATIVE_INFINITY,
    spreadUntil: 0,
    rejections: 0,
    rejectionCooldownUntil: 0,
    rejectedToken: undefined,
    earlyRejections: undefined,
    failures: 0,
    refusals: 0,
    superseded: false,
    retryAt: 0,
    callerRetryDelayMs: 0,
    notBefore: 0,
    error: undefined,
    rejectedWith: undefined,
  };
}

/** Returns the key of a slot: empty for the credential's own scope and audience. */
export function targetKey({ scope, audience }: TokenTarget): string {
  return scope === undefined && audience === undefined ? "" : JSON.stringify([scope, audience]);
}

/** Returns the audience of the credential's `own` settings; of several a text with spaces between. */
export function ownAudience(own: unknown): string | undefined {
  const { audience } = own as { audience?: string | string[] };
  return Array.isArray(audience) ? audience.join(" ") : audience;
}

/**
 * Returns how a caller's scope and audience differ from the credential's `own` settings. A scope is a set,
 * and one equal to the credential's own is left out.
 */
export function targetOf(own: unknown, scope?: string, audience?: string): TokenTarget {
  const known = own as TokenTarget;
  const target: TokenTarget = {};
  if (scope !== undefined && normalizeScope(scope) !== normalizeScope(known.scope ?? "")) {
    target.scope = normalizeScope(scope);
  }
  if (audience !== undefined && audience !== ownAudience(own)) target.audience = audience;
  return target;
}
