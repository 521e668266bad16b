import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { CredentialInfo, Reason } from "../protocol.ts";
import { isAnswerLost, type TokenResponse } from "./acquire.ts";
import { Admission } from "./admission.ts";
import type { Blocker } from "./blocker.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { buildIssuedToken, type IssuedToken } from "./issued-token.ts";
import type { CredentialRecord, Refused } from "./record.ts";
import { stillStopped } from "./refusal-errors.ts";
import { isTerminal, Refusals } from "./refusals.ts";
import { deadlineOf, didNotExtendExpiry, recordFailure, refreshTokenDeadline } from "./schedule.ts";
import type { StoredRecord } from "./stored-record.ts";
import { keepsOneToken, mayNotice, newestOf, supersedeOthers, wasRevoked } from "./superseded.ts";
import { expiryOf, type Lifetime, lifetimeOf, type Token } from "./token.ts";
import type { TokenCache } from "./token-cache.ts";
import { type TokenRequestInputs, TokenRequests } from "./token-requests.ts";
import type { PendingRefresh, Purpose, TokenSlot } from "./token-slot.ts";

/** What kept a request from being begun. */
const UNSENT: ReadonlySet<Reason> = new Set(["vault_locked", "shutting_down"]);

/** Between two renewals that nobody waits for (ms), also of tokens that live no longer. */
const MIN_REFRESH_INTERVAL_MS = 500;
/** Left (ms) of a token, it is high time for another, whatever the disk says: what a request may take. */
const MUST_REFRESH_WITHIN_MS = 10_000;
const RETRY_SOON_MS = 1_000;

/** What renewals need of the credential whose tokens they renew. */
export interface RefreshTarget {
  readonly tokens: TokenCache;
  readonly stored: StoredRecord;
  now(): { settings: CredentialSettings; blocker: Blocker | undefined };
  /** Its state, or its next deadline, is another now. */
  changed(): void;
}

/**
 * Renews one credential's tokens: at most one flight for each, what becomes of it, when the next one
 * is due, and what stops them.
 */
export class TokenRefresher {
  /** The issuer refused the secret itself: nothing is sent until a person acts. */
  rejectedWith: AuthdError | undefined;
  failureCount = 0;
  lastError: CredentialInfo["lastError"];
  readonly #deps: CredentialDeps;
  readonly #source: RefreshTarget;
  readonly #refusals: Refusals;
  readonly #admission: Admission;
  /** Made with the first request: most of 10,000 credentials are idle. */
  #requests: TokenRequests | undefined;

  constructor(deps: CredentialDeps, source: RefreshTarget) {
    this.#deps = deps;
    this.#source = source;
    this.#refusals = new Refusals(source.tokens, deps.clock);
    this.#admission = new Admission(deps, source, this.#refusals);
  }

  /** Token requests under way or waiting for their turn. */
  get count(): number {
    return this.#requests?.count ?? 0;
  }

  /** Requests under way that spend a rotating refresh token. */
  get spending(): number {
    return this.#requests?.spending ?? 0;
  }

  /** A person entered another refresh token: it need not wait for the answer to the one before. */
  startAnew(): void {
    this.#requests?.startAnew();
  }

  /** Another secret, or another issuer: what was said of the one before does not count. */
  forget(): void {
    this.rejectedWith = undefined;
    this.lastError = undefined;
    this.#refusals.forget();
  }

  /** A refusal that was sealed before this start. */
  restoreRejection({ reason, message, oauth, at }: Refused): void {
    const credential = this.#source.now().settings.name;
    const details = { credential, ...(oauth ? { oauth } : {}) };
    this.rejectedWith = new AuthdError(reason, message, details);
    this.lastError = { reason, message, at };
  }

  recordError(reason: Reason, message: string): void {
    this.lastError = { reason, message, at: this.#deps.time.now().wall };
  }

  // ---- flights ----

  start(slot: TokenSlot, awaited: boolean, purpose: Purpose = {}): PendingRefresh {
    const pendingRefresh: PendingRefresh = { awaited, ...purpose, promise: Promise.reject() };
    pendingRefresh.promise.catch(() => {});
    slot.lastAttemptAt = this.#deps.time.now().boot;
    slot.pendingRefresh = pendingRefresh;
    pendingRefresh.promise = this.#refresh(slot, pendingRefresh).finally(() => {
      slot.pendingRefresh = undefined;
      this.#source.changed();
    });
    // Those who wait hear of a failure; if nobody does, it has been noted.
    pendingRefresh.promise.catch(() => {});
    this.#source.changed();
    return pendingRefresh;
  }

  /** Outside of `#fly`: a closure made there would keep the plan of that flight, and its secrets, alive. */
  #createFlights(): TokenRequests {
    return new TokenRequests({ ...this.#deps, onPause: () => this.#source.changed() });
  }

  async #refresh(slot: TokenSlot, pendingRefresh: PendingRefresh): Promise<IssuedToken> {
    let inputs: TokenRequestInputs | undefined;
    this.#requests ??= this.#createFlights();
    try {
      const planned = () => {
        // Refused while this one waited for its turn: some issuers suspend who keeps trying.
        if (this.rejectedWith && !pendingRefresh.byPerson) throw this.rejectedWith;
        inputs = this.#plan(() => this.#canWaitForDisk(slot, pendingRefresh));
        return inputs;
      };
      let response = await this.#requests.send(slot, pendingRefresh, planned);
      // The machine slept, or was stopped, until a good token had run out: that is nobody's failure.
      // One that lives for an instant only was never good.
      if (this.#expiredInTransit(response))
        response = await this.#requests.send(slot, pendingRefresh, planned);
      return this.#onTokenResponse(slot, inputs ?? this.#plan(), response);
    } catch (error) {
      const given = asAuthdError(error, this.#source.now().settings.name);
      const failure = this.#failed(slot, pendingRefresh, given, inputs?.record);
      if (slot.rejectedWith !== failure || !this.#refusals.needsProof(given)) throw failure;
      await this.#verify();
      throw this.rejectedWith ?? failure;
    }
  }

  /** Its token outlasts a request, or never ends: a renewal may wait until the disk is well. */
  #canWaitForDisk(
    { issued, rejectedToken: useless }: TokenSlot,
    { forced }: PendingRefresh,
  ): boolean {
    if (forced || !issued || issued.accessToken === useless) return false;
    return expiryOf(issued.token) - this.#deps.time.now().boot > MUST_REFRESH_WITHIN_MS;
  }

  /** Throws the AuthdError of what is in the way. */
  #plan(canWait = () => false): TokenRequestInputs {
    const { stored: keeper } = this.#source;
    const { settings, blocker: obstacle } = this.#source.now();
    if (obstacle) throw obstacle.error;
    if (this.#deps.refusal) throw this.#deps.refusal;
    const { record } = keeper;
    if (!record) throw new Error(`${settings.name} has no record`);
    return {
      settings,
      grant: grantNamed(settings.grant),
      record,
      secrets: record.secrets,
      held: [
        ...this.#source.tokens.all().flatMap(({ issued }) => issued?.accessToken ?? []),
        ...(record.rotation?.previous === undefined ? [] : [record.rotation.previous]),
      ],
      seal: () => keeper.save(record, true),
      canWait,
      isCurrent: () => keeper.record === record,
    };
  }

  #expiredInTransit(response: TokenResponse): boolean {
    const { lifetime, assumed } = lifetimeOfResponse(response, this.#source.now().settings.ttl);
    return (
      !assumed &&
      lifetime >= RETRY_SOON_MS &&
      this.#deps.time.now().boot >= response.sent.boot + lifetime
    );
  }

  #onTokenResponse(
    slot: TokenSlot,
    inputs: TokenRequestInputs,
    response: TokenResponse,
  ): IssuedToken {
    const { acquired, sent, answered } = response;
    const { time, clock } = this.#deps;
    const { tokens: variants, stored: keeper } = this.#source;
    const { record, settings } = inputs;
    const now = time.now();
    const token: Token = {
      ...lifetimeOfResponse(response, settings.ttl),
      bornAt: sent.boot,
      obtainedAt: sent.wall,
      jitter: clock.random(),
      ageUncertain: false,
    };
    if (expiryOf(token) <= now.boot) throw expiredOnArrival(settings.name);
    const isReplaced = !variants.has(slot);
    // Headers that nobody has trusted yet are none that a secret may be in.
    const source = isReplaced || this.#source.now().blocker ? inputs : this.#plan();
    const issued = buildIssuedToken(acquired, { token, isRestored: false }, source, now);
    if (isReplaced) return issued;
    const before = slot.issued?.token;
    const { failures } = slot;
    Object.assign(slot, {
      issued,
      receivedAt: now.boot,
      rejectedWith: undefined,
      superseded: false,
    });
    this.rejectedWith = undefined;
    delete record.refused;
    this.#refusals.succeeded(slot, record);
    if (keepsOneToken(settings, record)) supersedeOthers(slot, variants, this.#deps, now);
    record.refreshCount = (record.refreshCount ?? 0) + 1;
    record.lastRefreshAt = now.wall;
    record.lastRefreshMs = Math.round(answered.boot - sent.boot);
    this.#scheduleNext(slot, before, token, now);
    // What can't be obtained again is sealed by now; the access token itself can be.
    void keeper.save(record, false);
    this.#tell(issued, { first: !before, failures, tookMs: record.lastRefreshMs });
    return issued;
  }

  #tell(
    { answer }: IssuedToken,
    { first, failures, tookMs }: { first: boolean; failures: number; tookMs: number },
  ): void {
    const { onEvent } = this.#deps;
    const credential = this.#source.now().settings.name;
    const { expiresAt } = answer;
    onEvent({ kind: "refreshed", credential, expiresAt, tookMs, ...(first ? { first } : {}) });
    if (failures === 0) return;
    const message = `answered again after ${failures} failure${failures === 1 ? "" : "s"}`;
    onEvent({ kind: "issuer_back", credential, message });
  }

  #scheduleNext(slot: TokenSlot, before: Token | undefined, after: Token, now: Moment): void {
    if (!didNotExtendExpiry(before, after, now)) {
      Object.assign(slot, { failures: 0, retryAt: 0, notBefore: 0, error: undefined });
      return;
    }
    const message = `${this.#source.now().settings.name}: the issuer's renewal brought no later expiry.`;
    this.recordError("issuer_unavailable", message);
    const failure = new AuthdError("issuer_unavailable", message);
    recordFailure(slot, failure, now, this.#deps.clock.random());
  }

  /** The failure as callers get it. */
  #failed(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    given: AuthdError,
    record: CredentialRecord | undefined,
  ): AuthdError {
    const { time, clock, log, onEvent } = this.#deps;
    const { tokens: variants, stored: keeper } = this.#source;
    const { name, grant: grantName } = this.#source.now().settings;
    // Nothing was sent.
    if (given === this.rejectedWith || UNSENT.has(given.reason)) return given;
    const now = time.now();
    const isReplaced = !variants.has(slot);
    const own = slot === variants.own;
    const grant = grantNamed(grantName);
    // The caller's own scope or audience does not fit: nothing was sent, and nothing is wrong here.
    const isUnfit = given.reason === "invalid_params" && !own && !slot.issued;
    if (isReplaced || isUnfit) {
      if (record && grant.rotates !== undefined) void keeper.save(record, false);
      return given;
    }
    const failure = this.#judged(slot, pendingRefresh, given, { record, now });
    const { reason, message } = failure;
    this.failureCount++;
    this.recordError(reason, message);
    log.warn({ credential: name, reason }, message);
    const terminal = isTerminal(failure);
    if (!terminal) recordFailure(slot, failure, now, clock.random());
    const goesOn = !terminal && !this.rejectedWith;
    const retryAt = goesOn ? { retryAt: Math.round(now.wall + slot.retryAt - now.boot) } : {};
    onEvent({ kind: "refresh_failed", credential: name, reason, message, ...retryAt });
    const isSealed = given.contact?.refusal !== undefined || grant.rotates !== undefined;
    if (record && (terminal || isSealed)) void keeper.save(record, false);
    if (!goesOn) return failure;
    const held = slot.issued?.token;
    // The renewal waits for the disk, but not until it is too late. What the issuer failed at backs off.
    const waitsForDisk = reason === "internal" && failure.contact?.sent === false;
    if (held && waitsForDisk) {
      const last = Math.max(now.boot + RETRY_SOON_MS, expiryOf(held) - MUST_REFRESH_WITHIN_MS);
      slot.retryAt = Math.min(slot.retryAt, Math.max(last, slot.notBefore));
    }
    // Two answers lost in a row, and the session may be gone: what there is should be used up first.
    if (held && !held.assumed && grant.rotates !== undefined && isAnswerLost(failure)) {
      slot.retryAt = Math.max(slot.retryAt, expiryOf(held));
    }
    return withRetry(failure, name, slot.retryAt - now.boot);
  }

  /** What a failure comes to: a final one stops the credential, or the variant alone. */
  #judged(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    given: AuthdError,
    { record, now }: { record: CredentialRecord | undefined; now: Moment },
  ): AuthdError {
    const { settings } = this.#source.now();
    const credential = settings.name;
    if (!record) return given;
    const failure = this.#refusals.counted(given, slot, { record, settings });
    if (!isTerminal(failure))
      return this.rejectedWith ? stillStopped(failure, credential) : failure;
    if (this.#refusals.isAboutVariant(slot, failure, pendingRefresh)) {
      return this.#refusals.stopVariant(slot, failure, { record, credential, now });
    }
    const { reason, message, oauth } = failure;
    this.rejectedWith = failure;
    const { writtenRequest } = settings;
    const more = { ...(oauth ? { oauth } : {}), at: now.wall, writtenRequest };
    record.refused = { reason, message, ...more };
    return failure;
  }

  /** Whether the secrets or a caller's scope is what was refused: the credential's own scope tells. */
  async #verify(): Promise<void> {
    if (this.rejectedWith) return;
    const { own } = this.#source.tokens;
    const pendingRefresh = own.pendingRefresh ?? this.start(own, true, { verifies: true });
    await pendingRefresh.promise.catch(() => {});
  }

  // ---- what callers may cause ----

  /** Throws AuthdError if a caller may not have this first token, or this one anew, now. */
  admit(slot: TokenSlot, now: Moment, forced = false): void {
    this.#admission.admit(slot, now, forced);
  }

  /** A waiting caller brings the next try forward, if the issuer's pace allows it. */
  bringForward(slot: TokenSlot, now: Moment): void {
    this.#admission.bringForward(slot, now);
  }

  /** An API refused a token of `variant` that had worked. */
  noticeRevoked(slot: TokenSlot): void {
    const { stored: keeper, tokens: variants, changed } = this.#source;
    const { settings } = this.#source.now();
    const newest = newestOf(variants);
    const { record } = keeper;
    if (!record || !newest || newest === slot || !mayNotice(settings, record)) return;
    record.singleAccessToken = true;
    const message = wasRevoked(settings.name);
    this.recordError("issuer_unavailable", message);
    this.#deps.log.warn({ credential: settings.name }, message);
    supersedeOthers(newest, variants, this.#deps, this.#deps.time.now());
    void keeper.save(record, false);
    changed();
  }

  // ---- the timer's side ----

  /** Boot time of the next flight; Infinity if there is none to come. */
  nextDeadline(now: Moment): number {
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.#source.tokens.all()) {
      next = Math.min(next, this.deadline(slot, now));
    }
    return next;
  }

  /** Starts all that is due. `delay` (ms) says how long a renewal that can wait should. */
  runDue(now: Moment, delay: () => number): void {
    for (const slot of this.#source.tokens.all()) {
      if (this.deadline(slot, now) > now.boot) continue;
      const { pause } = slot.pendingRefresh ?? {};
      if (pause) {
        pause.end();
        continue;
      }
      const left = slot.issued ? expiryOf(slot.issued.token) - now.boot : 0;
      // What is still valid is not left to run out for it.
      const wait = left > 0 ? Math.min(delay(), left / 2) : delay();
      if (wait > 0) slot.spreadUntil = now.boot + wait;
      else this.start(slot, false);
    }
  }

  deadline(slot: TokenSlot, now: Moment): number {
    const { tokens: variants, stored: keeper } = this.#source;
    if (slot.pendingRefresh?.pause) return slot.pendingRefresh.pause.untilBootMs;
    const { settings, blocker: obstacle } = this.#source.now();
    if (obstacle || this.rejectedWith) return Number.POSITIVE_INFINITY;
    const own = slot === variants.own;
    const pace = slot.lastAttemptAt + MIN_REFRESH_INTERVAL_MS;
    const next = Math.max(deadlineOf(slot, own && settings.warm === "always", now), pace);
    if (!own || slot.pendingRefresh) return next;
    const { bootId } = this.#deps.time;
    const session = refreshTokenDeadline(keeper.record?.rotation, now, bootId);
    return Math.min(next, Math.max(session, slot.retryAt, slot.spreadUntil, pace));
  }
}

/** `ttl` in seconds. */
function lifetimeOfResponse(
  { acquired, sent, answered }: TokenResponse,
  ttl: number | undefined,
): Lifetime {
  // By the boot clock: the wall clock may have been set while the answer was on its way.
  const answeredAt = sent.wall + answered.boot - sent.boot;
  return lifetimeOf(acquired, sent.wall, answeredAt, ttl);
}

function expiredOnArrival(credential: string): AuthdError {
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: the issuer gave a token that has already expired; check the clock of this machine and of the issuer.`,
    { credential, contact: { sent: true, answered: true } },
  );
}

/** With the time of the next try. */
function withRetry(failure: AuthdError, credential: string, retryAfterMs: number): AuthdError {
  const { reason, message, oauth, contact, cause } = failure;
  return new AuthdError(reason, message, {
    credential,
    retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)),
    ...(oauth ? { oauth } : {}),
    ...(contact ? { contact } : {}),
    cause,
  });
}

export function asAuthdError(error: unknown, credential: string): AuthdError {
  if (error instanceof AuthdError) return error;
  // Not its own words: JSON.parse quotes what it reads, and that can be an issuer's answer.
  const kind = error instanceof Error ? error.name : typeof error;
  const message = `${credential}: something went wrong inside authd (${kind}); please report it as a bug.`;
  return new AuthdError("internal", message, { credential, cause: error });
}
