import { normalizeScope } from "../base/scope.ts";
import type { AuthdError } from "../errors.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { TokenTarget } from "./record.ts";

/** Why a token request is sent. */
export interface Purpose {
  /** The token that there is is no use to whoever asked. */
  forced?: boolean;
  /** A person asked for it: it is sent although the issuer refused before. */
  byPerson?: boolean;
  /** It only finds out whether the secrets are good, after a caller's scope was refused. */
  verifies?: boolean;
}

/** One token request under way. `awaited`: a caller waits for it, so it goes before the others. */
export interface PendingRefresh extends Purpose {
  awaited: boolean;
  /** An answer to a request that spends a refresh token was lost. */
  lost?: boolean;
  /** It has left the queue: what its request is made from can't be replaced any more. */
  sent?: boolean;
  /** Waits for the next one-time code. */
  pause?: Pause | undefined;
  promise: Promise<IssuedToken>;
}

/** A wait that the registry's timer ends. */
export interface Pause {
  untilBootMs: number;
  end: () => void;
}

/** One (scope, audience) of a credential, with its own token and its own failures. Times are boot times, ms. */
export interface TokenSlot {
  readonly key: string;
  readonly target: TokenTarget;
  issued: IssuedToken | undefined;
  pendingRefresh: PendingRefresh | undefined;
  /** When a program last asked; -Infinity: never. */
  lastUsedAt: number;
  /** What is sealed of that. */
  lastUsedSavedAt: number;
  /** When the last flight started; once it has left the queue, when its request was sent. */
  lastAttemptAt: number;
  /** When the last token came. */
  receivedAt: number;
  /** A renewal that can wait does so until then: after a clock jump not all start at once. */
  spreadUntil: number;
  /** How often in a row a token was rejected before it had worked long, and until when another is refused. */
  rejections: number;
  rejectionCooldownUntil: number;
  /** The token that was last refused by an API: another can't wait for the disk. */
  rejectedToken: string | undefined;
  /** In a row. */
  failures: number;
  /** Of a caller's variant: refusals in a row that were no OAuth errors. The record counts the credential's own. */
  refusals: number;
  /** Another variant's refresh revoked its token. */
  superseded: boolean;
  /** Nothing is sent before this, unless a caller brings it forward. */
  retryAt: number;
  /** How long after the last try a caller may bring the next one forward to (ms). */
  callerPace: number;
  /** Nothing is sent before this, whoever asks: the issuer said so. */
  notBefore: number;
  /** The last failure, while there has been no success since. */
  error: AuthdError | undefined;
  /** The issuer refuses this scope or audience; others may still work. */
  rejectedWith: AuthdError | undefined;
}

export function createTokenSlot(target: TokenTarget): TokenSlot {
  return {
    key: targetKey(target),
    target: target,
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
    failures: 0,
    refusals: 0,
    superseded: false,
    retryAt: 0,
    callerPace: 0,
    notBefore: 0,
    error: undefined,
    rejectedWith: undefined,
  };
}

/** Empty for the credential's own scope and audience. */
export function targetKey({ scope, audience }: TokenTarget): string {
  return scope === undefined && audience === undefined ? "" : JSON.stringify([scope, audience]);
}

/** What a caller asks for beside the credential's `own` settings: a scope is a set, and its own equals none. */
export function targetOf(own: unknown, scope?: string, audience?: string): TokenTarget {
  const known = own as TokenTarget;
  const target: TokenTarget = {};
  if (scope !== undefined && normalizeScope(scope) !== normalizeScope(known.scope ?? "")) {
    target.scope = normalizeScope(scope);
  }
  if (audience !== undefined && audience !== known.audience) target.audience = audience;
  return target;
}
