/** Decides what a failed token request means: when the next one is sent, and what stops. */

import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import { AuthdError } from "../errors.ts";
import { rotatingSecret } from "../grants/index.ts";
import type { Reason } from "../protocol.ts";
import type { CredentialRecord } from "./record.ts";
import type { RefreshContext } from "./refresh-context.ts";
import { stillStopped } from "./refusal-errors.ts";
import { isTerminal } from "./refusals.ts";
import { isResponseLost } from "./rotation.ts";
import { recordFailure } from "./schedule.ts";
import { StoreRefuses } from "./shared/store-refuses.ts";
import { expiryOf } from "./token.ts";
import type { PendingRefresh, TokenSlot } from "./token-slot.ts";
import { noteFailure } from "./troubles.ts";

/** Reasons for which a request was not sent at all. */
const UNSENT: ReadonlySet<Reason> = new Set(["vault_locked", "shutting_down"]);

/**
 * With less than this left of the access token, refresh even if the disk cannot record that the refresh
 * token is being used. It is the time that one API request may take.
 */
export const MUST_REFRESH_WITHIN_MS = 10_000;
export const RETRY_SOON_MS = 1_000;

/** One failed request. `record`: the record that it was built from; undefined if it was not built. */
interface FailedRequest {
  slot: TokenSlot;
  pendingRefresh: PendingRefresh;
  record: CredentialRecord | undefined;
}

/** Records a failure, and returns it as callers get it. */
export function handleFailure(
  context: RefreshContext,
  request: FailedRequest,
  error: AuthdError,
): AuthdError {
  const { deps, owner, status } = context;
  const { slot, record } = request;
  if (error === status.rejectedWith || UNSENT.has(error.reason)) return error;
  const { settings } = owner.current();
  const { name } = settings;
  const isRotating = rotatingSecret(settings) !== undefined;
  // A caller's own scope or audience does not fit: nothing was sent, and the credential is not to blame.
  const isOwn = slot === owner.tokens.own;
  const isUnfit = error.reason === "invalid_params" && !isOwn && !slot.issued;
  if (!owner.tokens.has(slot) || isUnfit) {
    if (record && isRotating) void owner.stored.save(record, false);
    return error;
  }
  const now = deps.time.now();
  const failure = classify(context, request, error, now);
  const isFinal = isTerminal(failure);
  if (!isFinal) recordFailure(slot, failure, now, deps.clock.random());
  const isRetried = !isFinal && !status.rejectedWith;
  reportFailure(context, failure, isRetried ? now.wall + slot.retryAt - now.boot : undefined);
  sealFailure(context, request, error, isFinal || isRotating);
  if (!isRetried || failure instanceof StoreRefuses) return failure;
  adjustRetry(slot, failure, isRotating, now);
  return withRetry(failure, name, slot.retryAt - now.boot);
}

/** Seals what a restart must not forget of a failure. `always`: the failure changed the record in any case. */
function sealFailure(
  { owner }: RefreshContext,
  { slot, record }: FailedRequest,
  error: AuthdError,
  always: boolean,
): void {
  if (!record) return;
  const isOwn = slot === owner.tokens.own;
  const isNewTrouble = isOwn && noteFailure(record, owner.current().settings, error);
  const isRefusal = error.contact?.refusal !== undefined;
  if (always || isNewTrouble || isRefusal) void owner.stored.save(record, false);
}

/** Returns what a failure comes to: a final one stops the credential, or the slot alone. */
function classify(
  { owner, refusals, status }: RefreshContext,
  { slot, pendingRefresh, record }: FailedRequest,
  error: AuthdError,
  now: Moment,
): AuthdError {
  const { settings } = owner.current();
  const credential = settings.name;
  if (!record) return error;
  const failure = refusals.count(error, slot, { record, settings });
  if (!isTerminal(failure)) {
    return status.rejectedWith ? stillStopped(failure, credential) : failure;
  }
  if (refusals.isAboutSlot(slot, failure, pendingRefresh)) {
    return refusals.rejectSlot(slot, failure, { record, credential, now });
  }
  const { reason, message, oauth } = failure;
  const { writtenRequest } = settings;
  status.rejectedWith = failure;
  record.refused = { reason, message, ...omitUndefined({ oauth }), at: now.wall, writtenRequest };
  return failure;
}

/** `retryAt`: wall clock, ms. */
function reportFailure(
  { deps, owner, status }: RefreshContext,
  { reason, message }: AuthdError,
  retryAt: number | undefined,
): void {
  const credential = owner.current().settings.name;
  status.failureCount++;
  status.recordError(reason, message);
  deps.log.warn({ credential, reason }, message);
  const more = retryAt === undefined ? {} : { retryAt: Math.round(retryAt) };
  deps.onEvent({ kind: "refresh_failed", credential, reason, message, ...more });
}

/** Moves the next try of a slot with a valid token. */
function adjustRetry(slot: TokenSlot, failure: AuthdError, isRotating: boolean, now: Moment): void {
  const token = slot.issued?.token;
  if (!token) return;
  // The refresh waits for the disk, but not until it is too late. A failure of the issuer backs off.
  if (failure.reason === "internal" && failure.contact?.sent === false) {
    const last = Math.max(now.boot + RETRY_SOON_MS, expiryOf(token) - MUST_REFRESH_WITHIN_MS);
    slot.retryAt = Math.min(slot.retryAt, Math.max(last, slot.notBefore));
  }
  // Two responses in a row were lost, and the session may be gone: the access token is used up first.
  if (!token.assumed && isRotating && isResponseLost(failure)) {
    slot.retryAt = Math.max(slot.retryAt, expiryOf(token));
  }
}

/** Adds the time until the next try. */
function withRetry(failure: AuthdError, credential: string, retryAfterMs: number): AuthdError {
  const { reason, message, oauth, endpoint, contact, cause } = failure;
  return new AuthdError(reason, message, {
    credential,
    retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)),
    ...omitUndefined({ oauth, endpoint, contact }),
    cause,
  });
}
