import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { LifetimeFault } from "../grants/grant.ts";
import { grantNamed, obtainsRotating } from "../grants/index.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { buildIssuedToken, type IssuedToken } from "./issued-token.ts";
import { completeKept, noteKept, secretsIn } from "./kept-values.ts";
import { faultOf, lifetimeHelp, noteLifetime } from "./lifetime-fault.ts";
import type { RefreshContext, TokenOwner } from "./refresh-context.ts";
import { handleFailure, MUST_REFRESH_WITHIN_MS, RETRY_SOON_MS } from "./refresh-failure.ts";
import { RefreshStatus } from "./refresh-status.ts";
import { Refusals } from "./refusals.ts";
import { deadlineOf, didNotExtendExpiry, recordFailure, refreshTokenDeadline } from "./schedule.ts";
import { isAlone } from "./shared/alone.ts";
import { assertNotOthers } from "./shared/former-store.ts";
import type { SharedLease } from "./shared/shared-lease.ts";
import { sharedRefresh } from "./shared/shared-refresh.ts";
import {
  isUnknown,
  keepsOneToken,
  newestSlot,
  revocationMessage,
  supersedeOthers,
} from "./superseded.ts";
import { expiryOf, lifetimeOfResponse, type Token, type TokenResponse } from "./token.ts";
import { type TokenRequestInputs, TokenRequests } from "./token-requests.ts";
import type { PendingRefresh, Purpose, TokenSlot } from "./token-slot.ts";
import { forgetFailure } from "./troubles.ts";

/** Between two refreshes that nobody waits for, also of tokens that live no longer. */
const MIN_REFRESH_INTERVAL_MS = 500;

/** Refreshes one credential's tokens: at most one request for each slot at a time. */
export class TokenRefresher implements RefreshContext {
  readonly deps: CredentialDeps;
  readonly owner: TokenOwner;
  readonly refusals: Refusals;
  readonly status: RefreshStatus;
  /** Created with the first request: most of 10,000 credentials are idle. */
  #requests: TokenRequests | undefined;

  constructor(deps: CredentialDeps, owner: TokenOwner) {
    this.deps = deps;
    this.owner = owner;
    this.refusals = new Refusals(owner.tokens, deps.clock);
    this.status = new RefreshStatus(deps.time);
  }

  /** The credential's name. */
  get credential(): string {
    return this.owner.current().settings.name;
  }

  /** Token requests that are queued or being sent. */
  get count(): number {
    return this.#requests?.count ?? 0;
  }

  /** Requests under way with a rotating refresh token. */
  get spending(): number {
    return this.#requests?.spending ?? 0;
  }

  /** Lets the next request start at once, as a person entered another refresh token. */
  startAnew(): void {
    this.#requests?.startAnew();
  }

  /** Forgets rejections, as the secrets or the issuer were replaced. */
  reset(): void {
    this.status.reset();
    this.refusals.reset();
  }

  // ---- requests ----

  /** Hands out the token that a person's sign-in brought, and counts it as used. */
  accept(response: TokenResponse): void {
    const { own } = this.owner.tokens;
    own.lastUsedAt = this.deps.time.now().boot;
    this.#onTokenResponse(own, this.#inputs(), response);
    this.owner.onChange();
  }

  start(slot: TokenSlot, awaited: boolean, purpose: Purpose = {}): PendingRefresh {
    const pendingRefresh: PendingRefresh = { awaited, ...purpose, promise: Promise.reject() };
    pendingRefresh.promise.catch(() => {});
    slot.lastAttemptAt = this.deps.time.now().boot;
    slot.pendingRefresh = pendingRefresh;
    pendingRefresh.promise = this.#refresh(slot, pendingRefresh).finally(() => {
      slot.pendingRefresh = undefined;
      this.owner.onChange();
    });
    // Callers that wait get a failure; if nobody waits, it has been recorded.
    pendingRefresh.promise.catch(() => {});
    this.owner.onChange();
    return pendingRefresh;
  }

  /** Is a method of its own: a closure made in `#refresh` would keep that request's inputs, and its secrets, alive. */
  #createRequests(): TokenRequests {
    return new TokenRequests(this.deps, () => this.owner.onChange());
  }

  async #refresh(slot: TokenSlot, pendingRefresh: PendingRefresh): Promise<IssuedToken> {
    const { shared } = this.deps;
    try {
      if (!shared || isAlone(this.owner.stored.record))
        return await this.#request(slot, pendingRefresh);
      const refresh = sharedRefresh(this, slot, pendingRefresh);
      return await shared.refresh(refresh, (lease) => this.#request(slot, pendingRefresh, lease));
    } catch (error) {
      if (!pendingRefresh.unverified) throw error;
      await this.#verifySecrets();
      throw this.status.rejectedWith ?? error;
    }
  }

  /** `lease`: present where hosts share records; it is taken before anything is sent. */
  async #request(
    slot: TokenSlot,
    pendingRefresh: PendingRefresh,
    lease?: SharedLease,
  ): Promise<IssuedToken> {
    let last: TokenRequestInputs | undefined;
    this.#requests ??= this.#createRequests();
    try {
      const inputs = () => {
        // The issuer refused the secrets while this request was queued: some suspend accounts that keep trying.
        const { rejectedWith } = this.status;
        if (rejectedWith && !pendingRefresh.byPerson) throw rejectedWith;
        lease?.assertTime();
        last = this.#inputs(() => this.#canWaitForDisk(slot, pendingRefresh));
        if (!lease) assertNotOthers(this.deps, last.settings, last.record);
        return last;
      };
      if (lease) {
        // What was built would be older than what another host may bring.
        inputs();
        if (await lease.begin()) return this.owner.tokens.getOrCreate(slot.target).issued!;
      }
      let response = await this.#requests.send(slot, pendingRefresh, inputs);
      // The machine slept, or was stopped, until a good token had expired: this is no failure.
      if (this.#expiredInTransit(response)) {
        response = await this.#requests.send(slot, pendingRefresh, inputs);
      }
      return this.#onTokenResponse(slot, last ?? this.#inputs(), response);
    } catch (error) {
      const given = asAuthdError(error, this.credential);
      const request = { slot, pendingRefresh, record: last?.record };
      const failure = handleFailure(this, request, given);
      const isSlotRejected = slot.rejectedWith === failure;
      pendingRefresh.unverified = isSlotRejected && this.refusals.needsVerification(given);
      throw failure;
    }
  }

  /** True if the access token outlasts a request, or never ends: the refresh may wait until writes succeed again. */
  #canWaitForDisk({ issued, rejectedToken }: TokenSlot, { forced }: PendingRefresh): boolean {
    if (forced || !issued || issued.accessToken === rejectedToken) return false;
    return expiryOf(issued.token) - this.deps.time.now().boot > MUST_REFRESH_WITHIN_MS;
  }

  /** Throws the AuthdError of what keeps a request from being sent. */
  #inputs(canWait = () => false): TokenRequestInputs {
    const { stored, tokens } = this.owner;
    const { settings, blocker } = this.owner.current();
    if (blocker) throw blocker.error;
    if (this.deps.refusal) throw this.deps.refusal;
    const { record } = stored;
    if (!record) throw new Error(`${settings.name} has no record`);
    return {
      ...{ settings, record, canWait },
      grant: grantNamed(settings.grant),
      secrets: record.secrets,
      held: [
        ...tokens.all().flatMap(({ issued }) => issued?.accessToken ?? []),
        ...tokens.all().flatMap(({ issued }) => secretsIn(settings, issued?.kept)),
        ...[record.rotation?.previous ?? []].flat(),
      ],
      seal: () => stored.save(record, true),
      isCurrent: () => stored.record === record,
    };
  }

  /** True if the token has expired since it was issued. A token that lives for an instant only was never good. */
  #expiredInTransit(response: TokenResponse): boolean {
    const { settings } = this.owner.current();
    const { lifetime, assumed } = lifetimeOfResponse(response, settings);
    if (assumed || lifetime < RETRY_SOON_MS) return false;
    return this.deps.time.now().boot >= response.sent.boot + lifetime;
  }

  /** Puts a token into its slot, and schedules its refresh. */
  #onTokenResponse(
    slot: TokenSlot,
    inputs: TokenRequestInputs,
    response: TokenResponse,
  ): IssuedToken {
    const { tokens, stored } = this.owner;
    const { record, settings } = inputs;
    const now = this.deps.time.now();
    const token = this.#tokenOf(response, settings);
    if (slot.rejectedToken !== slot.issued?.accessToken) slot.earlyRejections = undefined;
    const fault = faultOf(response.acquired, token, slot, settings);
    const isShown = slot === tokens.own || !tokens.own.issued;
    const isNewFault = isShown && noteLifetime(record, settings, fault);
    if (expiryOf(token) <= now.boot) {
      if (isNewFault) void stored.save(record, false);
      throw expiredOnArrival(settings, fault);
    }
    const isReplaced = !tokens.has(slot);
    // While the credential file waits for `authd trust`, headers are built from the settings that this request
    // began with, not from the edited file.
    const source = isReplaced || this.owner.current().blocker ? inputs : this.#inputs();
    const restored = { token, isRestored: false };
    const kept = completeKept(record, slot.issued?.kept, response.acquired);
    const fields = { ...response.acquired, ...omitUndefined({ kept }) };
    const issued = buildIssuedToken(fields, restored, source, now);
    if (isReplaced) return issued;
    noteKept(record, response.acquired, slot.key !== "");
    const before = slot.issued?.token;
    const { failures } = slot;
    const received = { issued, receivedAt: now.boot, rejectedWith: undefined, superseded: false };
    Object.assign(slot, received);
    this.status.rejectedWith = undefined;
    delete record.refused;
    forgetFailure(record);
    this.refusals.onSuccess(slot, record);
    if (keepsOneToken(settings, record)) supersedeOthers(slot, tokens, this.deps, now);
    const { identity } = response.acquired;
    if (identity) record.identity = { ...identity };
    record.refreshCount = (record.refreshCount ?? 0) + 1;
    record.lastRefreshAt = now.wall;
    record.lastRefreshMs = Math.round(response.answered.boot - response.sent.boot);
    this.#scheduleNext(slot, before, token, now);
    // A new refresh token is sealed already; the access token can be obtained again, so it needs no fsync.
    void stored.save(record, false);
    const message = isNewFault ? fault?.message : undefined;
    this.#reportSuccess(
      issued,
      !before,
      failures,
      omitUndefined({ message, tookMs: record.lastRefreshMs }),
    );
    return issued;
  }

  #tokenOf(response: TokenResponse, settings: CredentialSettings): Token {
    const { sent } = response;
    return {
      ...lifetimeOfResponse(response, settings),
      bornAt: sent.boot,
      obtainedAt: sent.wall,
      jitter: this.deps.clock.random(),
      ageUncertain: false,
    };
  }

  #reportSuccess(
    { answer: { expiresAt } }: IssuedToken,
    isFirst: boolean,
    failures: number,
    about: { message?: string; tookMs: number },
  ): void {
    const { onEvent } = this.deps;
    const { credential } = this;
    const first = isFirst ? { first: isFirst } : {};
    onEvent({ kind: "refreshed", credential, expiresAt, ...about, ...first });
    if (failures === 0) return;
    const message = `answered again after ${failures} failure${failures === 1 ? "" : "s"}`;
    onEvent({ kind: "issuer_back", credential, message });
  }

  #scheduleNext(slot: TokenSlot, before: Token | undefined, after: Token, now: Moment): void {
    if (!didNotExtendExpiry(before, after, now)) {
      Object.assign(slot, { failures: 0, retryAt: 0, notBefore: 0, error: undefined });
      return;
    }
    const message = `${this.credential}: the issuer's renewal brought no later expiry.`;
    this.status.recordError("issuer_unavailable", message);
    const failure = new AuthdError("issuer_unavailable", message);
    recordFailure(slot, failure, now, this.deps.clock.random());
  }

  /** Requests a token for the credential's own scope, to find out whether the secrets or a caller's scope was refused. */
  async #verifySecrets(): Promise<void> {
    if (this.status.rejectedWith) return;
    const { own } = this.owner.tokens;
    const pendingRefresh = own.pendingRefresh ?? this.start(own, true, { verifies: true });
    await pendingRefresh.promise.catch(() => {});
  }

  /** Drops the other slots' tokens if a refresh revoked a token of `slot` that had worked. */
  onRevoked(slot: TokenSlot): void {
    const { stored, tokens, onChange } = this.owner;
    const { settings } = this.owner.current();
    const newest = newestSlot(tokens);
    const { record } = stored;
    if (!record || !newest || newest === slot || !isUnknown(settings, record)) return;
    record.singleAccessToken = true;
    const message = revocationMessage(settings.name);
    this.status.recordError("issuer_unavailable", message);
    this.deps.log.warn({ credential: settings.name }, message);
    supersedeOthers(newest, tokens, this.deps, this.deps.time.now());
    void stored.save(record, false);
    onChange();
  }

  // ---- the timer ----

  /** Returns the boot time of the next refresh; Infinity if none is to come. */
  nextDeadline(now: Moment): number {
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.owner.tokens.all()) next = Math.min(next, this.deadline(slot, now));
    return next;
  }

  /** Starts every refresh that is due. `delay` returns for how many ms one that can wait is postponed. */
  runDue(now: Moment, delay: () => number): void {
    for (const slot of this.owner.tokens.all()) {
      if (this.deadline(slot, now) > now.boot) continue;
      const { pause } = slot.pendingRefresh ?? {};
      if (pause) {
        pause.end();
        continue;
      }
      const left = slot.issued ? expiryOf(slot.issued.token) - now.boot : 0;
      // A token that is still valid does not expire because of the delay.
      const wait = left > 0 ? Math.min(delay(), left / 2) : delay();
      if (wait > 0) slot.spreadUntil = now.boot + wait;
      else this.start(slot, false);
    }
  }

  /** Returns the boot time of the slot's next refresh; Infinity if none is to come. */
  deadline(slot: TokenSlot, now: Moment): number {
    const { tokens, stored } = this.owner;
    if (slot.pendingRefresh?.pause) return slot.pendingRefresh.pause.untilBootMs;
    const { settings, blocker } = this.owner.current();
    if (blocker || this.status.rejectedWith) return Number.POSITIVE_INFINITY;
    const isOwn = slot === tokens.own;
    const earliest = slot.lastAttemptAt + MIN_REFRESH_INTERVAL_MS;
    const isWarm = isOwn && settings.warm === "always";
    const next = Math.max(deadlineOf(slot, isWarm, now), earliest);
    // Where a refresh token has ended that a sign-in brought, another sign-in follows.
    if (!isOwn || slot.pendingRefresh || obtainsRotating(settings)) return next;
    const session = refreshTokenDeadline(stored.record?.rotation, now, this.deps.time.bootId);
    return Math.min(next, Math.max(session, slot.retryAt, slot.spreadUntil, earliest));
  }
}

/** Tells that a token has no time left. `fault`: what is wrong with the lifetime, if that is known. */
function expiredOnArrival(
  settings: CredentialSettings,
  fault: LifetimeFault | undefined,
): AuthdError {
  const { name: credential } = settings;
  const why = fault
    ? `: ${fault.message}. Next: ${lifetimeHelp(settings, fault)}`
    : "; check the clock of this machine and of the issuer.";
  const message = `${credential}: the issuer gave a token that has already expired${why}`;
  const contact = { sent: true, answered: true };
  return new AuthdError("issuer_unavailable", message, { credential, contact });
}

export function asAuthdError(error: unknown, credential: string): AuthdError {
  if (error instanceof AuthdError) return error;
  // The error's own message is left out: JSON.parse quotes what it reads, which can be an issuer's response.
  const kind = error instanceof Error ? error.name : typeof error;
  const message = `${credential}: something went wrong inside authd (${kind}); please report it as a bug.`;
  return new AuthdError("internal", message, { credential, cause: error });
}
