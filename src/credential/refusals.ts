/** What a refusal stops: the credential, or only the scope and audience that were asked for. */

import type { Clock } from "../base/clock.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { backoff } from "./backoff.ts";
import type { CredentialRecord } from "./record.ts";
import { finalRefusal, refusedVariation } from "./refusal-errors.ts";
import type { TokenCache } from "./token-cache.ts";
import type { PendingRefresh, TokenSlot } from "./token-slot.ts";

const SECOND = 1_000;
/** So many refusals in a row that are no OAuth errors are final. */
const FINAL = 3;
/** So many scopes and audiences of callers are refused in a row before the next has to wait. */
const FREE_VARIATIONS = 3;
const LEAST_HOLD = 5 * SECOND;

/** The issuer refuses what was asked for, not the credential (RFC 6749, RFC 8707, OpenID Connect). */
const REFUSED_VARIATION = new Set([
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
  /** Boot time before which no new scope or audience of a caller is tried; undefined: not known since the start. */
  #holdUntil: number | undefined;

  constructor(tokens: TokenCache, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  forget(): void {
    this.#holdUntil = undefined;
  }

  /** True if a token came with the secrets of now, so that they are not what a caller's scope is refused for. */
  get isProven(): boolean {
    const { own } = this.#tokens;
    return own.issued !== undefined || own.receivedAt > Number.NEGATIVE_INFINITY;
  }

  /**
   * Counts a refusal that is no OAuth error; the third in a row becomes a final one. Tokens end the
   * row, other failures do not. Until the secrets have worked, all variants count together.
   */
  counted(
    failure: AuthdError,
    slot: TokenSlot,
    { record, settings }: { record: CredentialRecord; settings: CredentialSettings },
  ): AuthdError {
    if (failure.contact?.refusal === undefined || isTerminal(failure)) return failure;
    const isOwn = slot === this.#tokens.own;
    const countsForAll = isOwn || !this.isProven;
    if (!isOwn) slot.refusals++;
    const { writtenRequest } = settings;
    // Another request than the one that was refused before counts anew.
    const before =
      record.refusals?.writtenRequest === writtenRequest ? (record.refusals?.count ?? 0) : 0;
    if (countsForAll) record.refusals = { count: before + 1, writtenRequest };
    const times = Math.max(countsForAll ? before + 1 : 0, slot.refusals);
    return times >= FINAL ? finalRefusal(failure, settings.name, times) : failure;
  }

  /**
   * True if a final refusal is about the variant alone. A caller's wish does not stop the credential,
   * unless a refresh token is refused after an answer was lost. The credential's own scope does not
   * either if it was only tried to find out whether the secrets are good, or if a token for another
   * one came: the refusal must be about the secrets then.
   */
  isAboutVariant(
    slot: TokenSlot,
    failure: AuthdError,
    { verifies, lost }: PendingRefresh,
  ): boolean {
    if (slot !== this.#tokens.own) return !(lost && failure.reason === "login_required");
    const othersWork = this.#tokens.others().some(({ issued }) => issued !== undefined);
    return (verifies === true || othersWork) && isAboutRequest(failure);
  }

  /**
   * True if only a try with the credential's own scope can tell whether its secrets are good: they
   * have not worked yet, or it is a refresh token, which ends some day.
   */
  needsProof(failure: AuthdError): boolean {
    const { own } = this.#tokens;
    const isTried = own.failures > 0 || own.rejectedWith !== undefined;
    const isDoubtful = !this.isProven || failure.reason === "login_required";
    return isDoubtful && !isTried && !isAboutRequest(failure);
  }

  /** Stops a caller's variant. Returns the error that its callers get from now on. */
  stopVariant(
    slot: TokenSlot,
    failure: AuthdError,
    { record, credential, now }: { record: CredentialRecord; credential: string; now: Moment },
  ): AuthdError {
    const isOwn = slot === this.#tokens.own;
    slot.rejectedWith = isOwn ? failure : refusedVariation(failure, credential, slot.target);
    if (isOwn) return failure;
    record.refusedVariations = (record.refusedVariations ?? 0) + 1;
    this.#hold(record, now);
    return slot.rejectedWith;
  }

  /** A token came for `variant`. */
  succeeded(slot: TokenSlot, record: CredentialRecord): void {
    slot.refusals = 0;
    delete record.refusals;
    if (slot === this.#tokens.own) return;
    delete record.refusedVariations;
    this.#holdUntil = 0;
  }

  /** Throws `issuer_unavailable` while too many scopes and audiences were refused in a row. */
  admitVariation(record: CredentialRecord | undefined, credential: string, now: Moment): void {
    const count = record?.refusedVariations ?? 0;
    if (record && this.#holdUntil === undefined) this.#hold(record, now);
    const retryAfterMs = Math.ceil((this.#holdUntil ?? 0) - now.boot);
    if (retryAfterMs <= 0) return;
    const message = `${credential}: the issuer refused the last ${count} scopes or audiences that programs asked for; another one is tried in ${Math.ceil(retryAfterMs / SECOND)} s. The credential's own scope is not affected.`;
    throw new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
  }

  #hold({ refusedVariations = 0 }: CredentialRecord, now: Moment): void {
    if (refusedVariations < FREE_VARIATIONS) return;
    const about = { kind: "lasting", failures: refusedVariations } as const;
    const delay = backoff({ ...about, random: this.#clock.random() });
    this.#holdUntil = now.boot + Math.max(LEAST_HOLD, delay);
  }
}

/** Other secrets: what the issuer refused is no longer so. */
export function clearRefusals(record: CredentialRecord): void {
  delete record.refused;
  delete record.refusals;
  delete record.refusedVariations;
  delete record.singleAccessToken;
}

/** A person must act. */
export function isTerminal(
  failure: AuthdError,
): failure is AuthdError & { reason: "login_required" | "credential_rejected" } {
  return failure.reason === "login_required" || failure.reason === "credential_rejected";
}

/** Refused for what was asked for, or never sent because that does not fit. */
function isAboutRequest({ oauth, contact }: AuthdError): boolean {
  return REFUSED_VARIATION.has(oauth?.error ?? "") || contact?.sent === false;
}
