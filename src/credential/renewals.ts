import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { CredentialInfo, Reason } from "../protocol.ts";
import type { CredentialSettings } from "../settings.ts";
import type { Moment } from "../timekeeper.ts";
import { expiryOf, type Lifetime, lifetimeOf, type Token } from "../token.ts";
import { isLost, type Won } from "./acquire.ts";
import { Admission } from "./admission.ts";
import { type FlightPlan, Flights } from "./flights.ts";
import { type IssuedToken, issue } from "./issued.ts";
import type { Keeper } from "./keeper.ts";
import type { Obstacle } from "./obstacle.ts";
import type { CredentialRecord, Refused } from "./record.ts";
import { stillStopped } from "./refusal-errors.ts";
import { isTerminal, Refusals } from "./refusals.ts";
import { bringsNothing, deadlineOf, putOff, refreshTokenDeadline } from "./schedule.ts";
import { keepsOneToken, mayNotice, newestOf, supersedeOthers, wasRevoked } from "./superseded.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Flight, Purpose, Variant } from "./variant.ts";
import type { Variants } from "./variants.ts";

/** What kept a request from being begun. */
const UNSENT: ReadonlySet<Reason> = new Set(["vault_locked", "shutting_down"]);

/** Between two renewals that nobody waits for (ms), also of tokens that live no longer. */
const LEAST_PACE = 500;
/** Left (ms) of a token, it is high time for another, whatever the disk says: what a request may take. */
const LAST_MOMENT = 10_000;
const SOON = 1_000;

/** What renewals need of the credential whose tokens they renew. */
export interface Source {
  readonly variants: Variants;
  readonly keeper: Keeper;
  now(): { settings: CredentialSettings; obstacle: Obstacle | undefined };
  /** Its state, or its next deadline, is another now. */
  changed(): void;
}

/**
 * Renews one credential's tokens: at most one flight for each, what becomes of it, when the next one
 * is due, and what stops them.
 */
export class Renewals {
  /** The issuer refused the secret itself: nothing is sent until a person acts. */
  stopped: AuthdError | undefined;
  failureCount = 0;
  lastError: CredentialInfo["lastError"];
  readonly #around: Surroundings;
  readonly #source: Source;
  readonly #refusals: Refusals;
  readonly #admission: Admission;
  /** Made with the first request: most of 10,000 credentials are idle. */
  #flights: Flights | undefined;

  constructor(around: Surroundings, source: Source) {
    this.#around = around;
    this.#source = source;
    this.#refusals = new Refusals(source.variants, around.clock);
    this.#admission = new Admission(around, source, this.#refusals);
  }

  /** Token requests under way or waiting for their turn. */
  get count(): number {
    return this.#flights?.count ?? 0;
  }

  /** Requests under way that spend a rotating refresh token. */
  get spending(): number {
    return this.#flights?.spending ?? 0;
  }

  /** A person entered another refresh token: it need not wait for the answer to the one before. */
  startAnew(): void {
    this.#flights?.startAnew();
  }

  /** Another secret, or another issuer: what was said of the one before does not count. */
  forget(): void {
    this.stopped = undefined;
    this.lastError = undefined;
    this.#refusals.forget();
  }

  /** A refusal that was sealed before this start. */
  recall({ reason, message, oauth, at }: Refused): void {
    const credential = this.#source.now().settings.name;
    const details = { credential, ...(oauth ? { oauth } : {}) };
    this.stopped = new AuthdError(reason, message, details);
    this.lastError = { reason, message, at };
  }

  note(reason: Reason, message: string): void {
    this.lastError = { reason, message, at: this.#around.time.now().wall };
  }

  // ---- flights ----

  start(variant: Variant, awaited: boolean, purpose: Purpose = {}): Flight {
    const flight: Flight = { awaited, ...purpose, promise: Promise.reject() };
    flight.promise.catch(() => {});
    variant.triedAt = this.#around.time.now().boot;
    variant.flight = flight;
    flight.promise = this.#fly(variant, flight).finally(() => {
      variant.flight = undefined;
      this.#source.changed();
    });
    // Those who wait hear of a failure; if nobody does, it has been noted.
    flight.promise.catch(() => {});
    this.#source.changed();
    return flight;
  }

  /** Outside of `#fly`: a closure made there would keep the plan of that flight, and its secrets, alive. */
  #createFlights(): Flights {
    return new Flights({ ...this.#around, onPause: () => this.#source.changed() });
  }

  async #fly(variant: Variant, flight: Flight): Promise<IssuedToken> {
    let plan: FlightPlan | undefined;
    this.#flights ??= this.#createFlights();
    try {
      const planned = () => {
        // Refused while this one waited for its turn: some issuers suspend who keeps trying.
        if (this.stopped && !flight.byPerson) throw this.stopped;
        plan = this.#plan(() => this.#canWait(variant, flight));
        return plan;
      };
      let won = await this.#flights.send(variant, flight, planned);
      // The machine slept, or was stopped, until a good token had run out: that is nobody's failure.
      // One that lives for an instant only was never good.
      if (this.#cameTooLate(won)) won = await this.#flights.send(variant, flight, planned);
      return this.#landed(variant, plan ?? this.#plan(), won);
    } catch (error) {
      const given = asAuthdError(error, this.#source.now().settings.name);
      const failure = this.#failed(variant, flight, given, plan?.record);
      if (variant.stopped !== failure || !this.#refusals.needsProof(given)) throw failure;
      await this.#verify();
      throw this.stopped ?? failure;
    }
  }

  /** Its token outlasts a request, or never ends: a renewal may wait until the disk is well. */
  #canWait({ issued, useless }: Variant, { forced }: Flight): boolean {
    if (forced || !issued || issued.accessToken === useless) return false;
    return expiryOf(issued.token) - this.#around.time.now().boot > LAST_MOMENT;
  }

  /** Throws the AuthdError of what is in the way. */
  #plan(canWait = () => false): FlightPlan {
    const { keeper } = this.#source;
    const { settings, obstacle } = this.#source.now();
    if (obstacle) throw obstacle.error;
    if (this.#around.refusal) throw this.#around.refusal;
    const { record } = keeper;
    if (!record) throw new Error(`${settings.name} has no record`);
    return {
      settings,
      grant: grantNamed(settings.grant),
      record,
      secrets: record.secrets,
      held: [
        ...this.#source.variants.all().flatMap(({ issued }) => issued?.accessToken ?? []),
        ...(record.rotation?.previous === undefined ? [] : [record.rotation.previous]),
      ],
      seal: () => keeper.save(record, true),
      canWait,
      isCurrent: () => keeper.record === record,
    };
  }

  #cameTooLate(won: Won): boolean {
    const { lifetime, assumed } = lifeOf(won, this.#source.now().settings.ttl);
    return !assumed && lifetime >= SOON && this.#around.time.now().boot >= won.sent.boot + lifetime;
  }

  #landed(variant: Variant, plan: FlightPlan, won: Won): IssuedToken {
    const { acquired, sent, answered } = won;
    const { time, clock } = this.#around;
    const { variants, keeper } = this.#source;
    const { record, settings } = plan;
    const now = time.now();
    const token: Token = {
      ...lifeOf(won, settings.ttl),
      bornAt: sent.boot,
      obtainedAt: sent.wall,
      jitter: clock.random(),
      doubtful: false,
    };
    if (expiryOf(token) <= now.boot) throw expiredOnArrival(settings.name);
    const isReplaced = !variants.has(variant);
    // Headers that nobody has trusted yet are none that a secret may be in.
    const source = isReplaced || this.#source.now().obstacle ? plan : this.#plan();
    const issued = issue(acquired, { token, revived: false }, source, now);
    if (isReplaced) return issued;
    const before = variant.issued?.token;
    const { failures } = variant;
    Object.assign(variant, { issued, landedAt: now.boot, stopped: undefined, superseded: false });
    this.stopped = undefined;
    delete record.refused;
    this.#refusals.succeeded(variant, record);
    if (keepsOneToken(settings, record)) supersedeOthers(variant, variants, this.#around, now);
    record.refreshCount = (record.refreshCount ?? 0) + 1;
    record.lastRefreshAt = now.wall;
    record.lastRefreshMs = Math.round(answered.boot - sent.boot);
    this.#scheduleNext(variant, before, token, now);
    // What can't be obtained again is sealed by now; the access token itself can be.
    void keeper.save(record, false);
    this.#tell(issued, { first: !before, failures, tookMs: record.lastRefreshMs });
    return issued;
  }

  #tell(
    { answer }: IssuedToken,
    { first, failures, tookMs }: { first: boolean; failures: number; tookMs: number },
  ): void {
    const { onEvent } = this.#around;
    const credential = this.#source.now().settings.name;
    const { expiresAt } = answer;
    onEvent({ kind: "refreshed", credential, expiresAt, tookMs, ...(first ? { first } : {}) });
    if (failures === 0) return;
    const message = `answered again after ${failures} failure${failures === 1 ? "" : "s"}`;
    onEvent({ kind: "issuer_back", credential, message });
  }

  #scheduleNext(variant: Variant, before: Token | undefined, after: Token, now: Moment): void {
    if (!bringsNothing(before, after, now)) {
      Object.assign(variant, { failures: 0, retryAt: 0, holdUntil: 0, error: undefined });
      return;
    }
    const message = `${this.#source.now().settings.name}: the issuer's renewal brought no later expiry.`;
    this.note("issuer_unavailable", message);
    const failure = new AuthdError("issuer_unavailable", message);
    putOff(variant, failure, now, this.#around.clock.random());
  }

  /** The failure as callers get it. */
  #failed(
    variant: Variant,
    flight: Flight,
    given: AuthdError,
    record: CredentialRecord | undefined,
  ): AuthdError {
    const { time, clock, log, onEvent } = this.#around;
    const { variants, keeper } = this.#source;
    const { name, grant: grantName } = this.#source.now().settings;
    // Nothing was sent.
    if (given === this.stopped || UNSENT.has(given.reason)) return given;
    const now = time.now();
    const isReplaced = !variants.has(variant);
    const own = variant === variants.own;
    const grant = grantNamed(grantName);
    // The caller's own scope or audience does not fit: nothing was sent, and nothing is wrong here.
    const isUnfit = given.reason === "invalid_params" && !own && !variant.issued;
    if (isReplaced || isUnfit) {
      if (record && grant.rotates !== undefined) void keeper.save(record, false);
      return given;
    }
    const failure = this.#judged(variant, flight, given, { record, now });
    const { reason, message } = failure;
    this.failureCount++;
    this.note(reason, message);
    log.warn({ credential: name, reason }, message);
    const terminal = isTerminal(failure);
    if (!terminal) putOff(variant, failure, now, clock.random());
    const goesOn = !terminal && !this.stopped;
    const retryAt = goesOn ? { retryAt: Math.round(now.wall + variant.retryAt - now.boot) } : {};
    onEvent({ kind: "refresh_failed", credential: name, reason, message, ...retryAt });
    const isSealed = given.contact?.refusal !== undefined || grant.rotates !== undefined;
    if (record && (terminal || isSealed)) void keeper.save(record, false);
    if (!goesOn) return failure;
    const held = variant.issued?.token;
    // The renewal waits for the disk, but not until it is too late. What the issuer failed at backs off.
    const waitsForDisk = reason === "internal" && failure.contact?.sent === false;
    if (held && waitsForDisk) {
      const last = Math.max(now.boot + SOON, expiryOf(held) - LAST_MOMENT);
      variant.retryAt = Math.min(variant.retryAt, Math.max(last, variant.holdUntil));
    }
    // Two answers lost in a row, and the session may be gone: what there is should be used up first.
    if (held && !held.assumed && grant.rotates !== undefined && isLost(failure)) {
      variant.retryAt = Math.max(variant.retryAt, expiryOf(held));
    }
    return withRetry(failure, name, variant.retryAt - now.boot);
  }

  /** What a failure comes to: a final one stops the credential, or the variant alone. */
  #judged(
    variant: Variant,
    flight: Flight,
    given: AuthdError,
    { record, now }: { record: CredentialRecord | undefined; now: Moment },
  ): AuthdError {
    const { settings } = this.#source.now();
    const credential = settings.name;
    if (!record) return given;
    const failure = this.#refusals.counted(given, variant, { record, settings });
    if (!isTerminal(failure)) return this.stopped ? stillStopped(failure, credential) : failure;
    if (this.#refusals.isAboutVariant(variant, failure, flight)) {
      return this.#refusals.stopVariant(variant, failure, { record, credential, now });
    }
    const { reason, message, oauth } = failure;
    this.stopped = failure;
    const { writtenRequest } = settings;
    const more = { ...(oauth ? { oauth } : {}), at: now.wall, writtenRequest };
    record.refused = { reason, message, ...more };
    return failure;
  }

  /** Whether the secrets or a caller's scope is what was refused: the credential's own scope tells. */
  async #verify(): Promise<void> {
    if (this.stopped) return;
    const { own } = this.#source.variants;
    const flight = own.flight ?? this.start(own, true, { verifies: true });
    await flight.promise.catch(() => {});
  }

  // ---- what callers may cause ----

  /** Throws AuthdError if a caller may not have this first token, or this one anew, now. */
  admit(variant: Variant, now: Moment, forced = false): void {
    this.#admission.admit(variant, now, forced);
  }

  /** A waiting caller brings the next try forward, if the issuer's pace allows it. */
  bringForward(variant: Variant, now: Moment): void {
    this.#admission.bringForward(variant, now);
  }

  /** An API refused a token of `variant` that had worked. */
  noticeRevoked(variant: Variant): void {
    const { keeper, variants, changed } = this.#source;
    const { settings } = this.#source.now();
    const newest = newestOf(variants);
    const { record } = keeper;
    if (!record || !newest || newest === variant || !mayNotice(settings, record)) return;
    record.singleAccessToken = true;
    const message = wasRevoked(settings.name);
    this.note("issuer_unavailable", message);
    this.#around.log.warn({ credential: settings.name }, message);
    supersedeOthers(newest, variants, this.#around, this.#around.time.now());
    void keeper.save(record, false);
    changed();
  }

  // ---- the timer's side ----

  /** Boot time of the next flight; Infinity if there is none to come. */
  nextDeadline(now: Moment): number {
    let next = Number.POSITIVE_INFINITY;
    for (const variant of this.#source.variants.all()) {
      next = Math.min(next, this.deadline(variant, now));
    }
    return next;
  }

  /** Starts all that is due. `delay` (ms) says how long a renewal that can wait should. */
  runDue(now: Moment, delay: () => number): void {
    for (const variant of this.#source.variants.all()) {
      if (this.deadline(variant, now) > now.boot) continue;
      const { pause } = variant.flight ?? {};
      if (pause) {
        pause.end();
        continue;
      }
      const left = variant.issued ? expiryOf(variant.issued.token) - now.boot : 0;
      // What is still valid is not left to run out for it.
      const wait = left > 0 ? Math.min(delay(), left / 2) : delay();
      if (wait > 0) variant.spreadUntil = now.boot + wait;
      else this.start(variant, false);
    }
  }

  deadline(variant: Variant, now: Moment): number {
    const { variants, keeper } = this.#source;
    if (variant.flight?.pause) return variant.flight.pause.untilBootMs;
    const { settings, obstacle } = this.#source.now();
    if (obstacle || this.stopped) return Number.POSITIVE_INFINITY;
    const own = variant === variants.own;
    const pace = variant.triedAt + LEAST_PACE;
    const next = Math.max(deadlineOf(variant, own && settings.warm === "always", now), pace);
    if (!own || variant.flight) return next;
    const { bootId } = this.#around.time;
    const session = refreshTokenDeadline(keeper.record?.rotation, now, bootId);
    return Math.min(next, Math.max(session, variant.retryAt, variant.spreadUntil, pace));
  }
}

/** `ttl` in seconds. */
function lifeOf({ acquired, sent, answered }: Won, ttl: number | undefined): Lifetime {
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
