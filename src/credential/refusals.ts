/** Decides what a refusal stops: the credential, or only the scope and audience that a caller asked for. */

import type { Clock } from "../base/clock.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialRecord } from "./record.ts";
import { finalRefusal, refusedTarget } from "./refusal-errors.ts";
import { backoff } from "./schedule.ts";
import type { TokenCache } from "./token-cache.ts";
import type { PendingRefresh, TokenSlot } from "./token-slot.ts";

const SECOND = 1_000;
/** This many refusals in a row that are no OAuth errors are final. */
const FINAL_REFUSALS = 3;
/** After this many refused scopes and audiences of callers in a row the next one has to wait. */
const FREE_TARGETS = 3;
const MIN_TARGET_WAIT_MS = 5 * SECOND;

/** OAuth errors about what was requested, not about the credential (RFC 6749, RFC 8707, OpenID Connect). */
const TARGET_ERRORS = new Set([
  "invalid_scope",
  "invalid_target",
  "invalid_request",
  "access_denied",
  "consent_required",
  "interaction_required",
]);

/** Counts one credential's refusals, and decides what each of them stops. */
export class Refusals {
  readonly #tokens: TokenCache;
  readonly #clock: Clock;
  /** Boot time before which no new scope or audience of a caller is tried; undefined: not computed since the start. */
  #nextTargetAtBootMs: number | undefined;

  constructor(tokens: TokenCache, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /** Forgets the wait, as the secrets or the issuer were replaced. */
  reset(): void {
    this.#nextTargetAtBootMs = undefined;
  }

  /** True if these secrets have brought a token, so that a refusal of a caller's scope is not about them. */
  get haveWorked(): boolean {
    const { own } = this.#tokens;
    return own.issued !== undefined || own.receivedAt > Number.NEGATIVE_INFINITY;
  }

  /**
   * Counts a refusal that is no OAuth error, and returns it; the third in a row as a final one. A token
   * resets the count, other failures do not. Until the secrets have worked, all slots count together.
   */
  count(
    failure: AuthdError,
    slot: TokenSlot,
    { record, settings }: { record: CredentialRecord; settings: CredentialSettings },
  ): AuthdError {
    if (failure.contact?.refusal === undefined || isTerminal(failure)) return failure;
    const isOwn = slot === this.#tokens.own;
    const countsForAll = isOwn || !this.haveWorked;
    if (!isOwn) slot.refusals++;
    const { writtenRequest } = settings;
    const before = refusalsBefore(record, settings);
    if (countsForAll) record.refusals = { count: before + 1, writtenRequest };
    const times = Math.max(countsForAll ? before + 1 : 0, slot.refusals);
    return times >= FINAL_REFUSALS ? finalRefusal(failure, settings.name, times) : failure;
  }

  /**
   * True if a final refusal is about the slot alone. A caller's target does not stop the credential, unless
   * a refresh token is refused after a response was lost. The credential's own scope does not either if the
   * error is about the request, and it was only tried to find out whether the secrets are good, or another
   * slot has a token.
   */
  isAboutSlot(slot: TokenSlot, failure: AuthdError, { verifies, lost }: PendingRefresh): boolean {
    if (slot !== this.#tokens.own) return !(lost && failure.reason === "login_required");
    const othersWork = this.#tokens.others().some(({ issued }) => issued !== undefined);
    return (verifies === true || othersWork) && isAboutRequest(failure);
  }

  /**
   * True if only a request with the credential's own scope can tell whether its secrets are good: they
   * have not worked yet, or it is a refresh token, which ends some day.
   */
  needsVerification(failure: AuthdError): boolean {
    const { own } = this.#tokens;
    const isTried = own.failures > 0 || own.rejectedWith !== undefined;
    const isUncertain = !this.haveWorked || failure.reason === "login_required";
    return isUncertain && !isTried && !isAboutRequest(failure);
  }

  /** Stops a slot. Returns the error that its callers get from now on. */
  rejectSlot(
    slot: TokenSlot,
    failure: AuthdError,
    { record, credential, now }: { record: CredentialRecord; credential: string; now: Moment },
  ): AuthdError {
    const isOwn = slot === this.#tokens.own;
    slot.rejectedWith = isOwn ? failure : refusedTarget(failure, credential, slot.target);
    if (isOwn) return failure;
    record.refusedVariations = (record.refusedVariations ?? 0) + 1;
    this.#postponeTargets(record, now);
    return slot.rejectedWith;
  }

  /** Resets the counts, as a token came for `slot`. */
  onSuccess(slot: TokenSlot, record: CredentialRecord): void {
    slot.refusals = 0;
    delete record.refusals;
    if (slot === this.#tokens.own) return;
    delete record.refusedVariations;
    this.#nextTargetAtBootMs = 0;
  }

  /** Throws AuthdError `issuer_unavailable` if a new target has to wait, as too many were refused in a row. */
  admitTarget(record: CredentialRecord | undefined, credential: string, now: Moment): void {
    const count = record?.refusedVariations ?? 0;
    if (record && this.#nextTargetAtBootMs === undefined) this.#postponeTargets(record, now);
    const retryAfterMs = Math.ceil((this.#nextTargetAtBootMs ?? 0) - now.boot);
    if (retryAfterMs <= 0) return;
    const message = `${credential}: the issuer refused the last ${count} scopes or audiences that programs asked for; another one is tried in ${Math.ceil(retryAfterMs / SECOND)} s. The credential's own scope is not affected.`;
    throw new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
  }

  #postponeTargets({ refusedVariations = 0 }: CredentialRecord, now: Moment): void {
    if (refusedVariations < FREE_TARGETS) return;
    const about = { kind: "lasting", failures: refusedVariations } as const;
    const delay = backoff({ ...about, random: this.#clock.random() });
    this.#nextTargetAtBootMs = now.boot + Math.max(MIN_TARGET_WAIT_MS, delay);
  }
}

/** Returns how many there were since the last token. A request that was edited since starts a new count. */
function refusalsBefore(
  { refusals }: CredentialRecord,
  { writtenRequest }: CredentialSettings,
): number {
  return refusals?.writtenRequest === writtenRequest ? (refusals?.count ?? 0) : 0;
}

/** True if a refusal of the credential's own secrets is the last: at once, or the third in a row. */
export function isLastRefusal(
  failure: AuthdError,
  { record, settings }: { record: CredentialRecord; settings: CredentialSettings },
): boolean {
  if (failure.contact?.refusal === undefined) return false;
  return isTerminal(failure) || refusalsBefore(record, settings) + 1 >= FINAL_REFUSALS;
}

/** Deletes every refusal from a record, as its secrets were replaced. */
export function clearRefusals(record: CredentialRecord): void {
  delete record.refused;
  delete record.refusals;
  delete record.refusedVariations;
  delete record.singleAccessToken;
  delete record.troubles;
  delete record.used;
}

/** True if a person must act. */
export function isTerminal(
  failure: AuthdError,
): failure is AuthdError & { reason: "login_required" | "credential_rejected" } {
  return failure.reason === "login_required" || failure.reason === "credential_rejected";
}

/** True if the error is about what was requested, or the request was never sent because that does not fit. */
function isAboutRequest({ oauth, contact }: AuthdError): boolean {
  return TARGET_ERRORS.has(oauth?.error ?? "") || contact?.sent === false;
}
