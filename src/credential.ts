import type { Won } from "./acquire.ts";
import { backoff } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { AuthdError, messageOf } from "./errors.ts";
import { Flights, usesUpFirst, withRetry } from "./flights.ts";
import { grantNamed } from "./grants/index.ts";
import type { Http } from "./http.ts";
import { infoOf } from "./info.ts";
import { type IssuedToken, issue } from "./issued.ts";
import { Keeper } from "./keeper.ts";
import type { Lanes } from "./lanes.ts";
import type { Log } from "./log.ts";
import { type Obstacle, obstacleOf, unreadable } from "./obstacle.ts";
import { OriginTrust } from "./origin-trust.ts";
import type { CredentialInfo, Reason, State } from "./protocol.ts";
import type { CredentialRecord } from "./record.ts";
import {
  bringForward,
  bringsNothing,
  deadlineOf,
  putOff,
  refreshTokenDeadline,
} from "./schedule.ts";
import type { CredentialSettings } from "./settings.ts";
import type { Moment, Timekeeper } from "./timekeeper.ts";
import { expiryOf, freshness, lifetimeOf, revive, type Token } from "./token.ts";
import type { Flight, Variant } from "./variant.ts";
import { Variants } from "./variants.ts";
import type { Vault } from "./vault/vault.ts";
import { OUT_OF_PATIENCE, waitFor } from "./wait.ts";

const SECOND = 1_000;
/** How long a caller waits for a renewal that it could do without, or that failed before (ms). */
const PATIENCE = 5 * SECOND;
/** A token that is still valid is handed out this long (ms) before it no longer is. */
const JUST_BEFORE = 100;
/** A forced refresh this soon after a refresh gets that one's token (ms). */
const JUST_REFRESHED = SECOND;
/** A token this young (ms) is hardly the reason of a rejection. */
const JUST_OBTAINED = 3 * SECOND;
/** The issuer refuses what was asked for, not the credential (RFC 6749, RFC 8707). */
const REFUSED_VARIATION = new Set(["invalid_scope", "invalid_target", "invalid_request"]);

export type CredentialEvent =
  | { kind: "refreshed"; credential: string; expiresAt: number | null }
  | { kind: "state"; credential: string; state: State; reason?: Reason };

/** What all credentials share. */
export interface Surroundings {
  clock: Clock;
  time: Timekeeper;
  http: Http;
  lanes: Lanes;
  vault: Vault<CredentialRecord>;
  log: Log;
  onEvent: (event: CredentialEvent) => void;
  /** The credential's next deadline moved to this boot time. */
  rearm: (deadline: number) => void;
}

export interface TokenWant {
  scope?: string | undefined;
  audience?: string | undefined;
  /** Milliseconds. */
  minValidity?: number | undefined;
  forceRefresh?: boolean | undefined;
  rejectedToken?: string | undefined;
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

type Limits = Pick<TokenWant, "timeoutMs" | "signal">;

/**
 * One credential's life: its cached tokens, at most one flight for each, its failures, and the
 * record that is sealed before anything that can't be obtained again is handed out.
 */
export class Credential {
  readonly #around: Surroundings;
  readonly #keeper: Keeper;
  readonly #flights: Flights;
  readonly #variants = new Variants();
  #settings: CredentialSettings;
  #obstacle: Obstacle | undefined;
  /** The issuer refused the secret itself. */
  #stopped: AuthdError | undefined;
  #trust = new OriginTrust();
  #failureCount = 0;
  #lastError: CredentialInfo["lastError"];
  #announced: State | undefined;

  constructor(settings: CredentialSettings, around: Surroundings) {
    this.#around = around;
    this.#settings = settings;
    this.#flights = new Flights(around);
    this.#keeper = new Keeper({
      name: settings.name,
      vault: around.vault,
      time: around.time,
      log: around.log,
      variants: () => this.#variants.all(),
      onFailure: (message, retryAt) => {
        this.#note("internal", message);
        around.rearm(retryAt);
      },
    });
  }

  get name(): string {
    return this.#settings.name;
  }

  get settings(): CredentialSettings {
    return this.#settings;
  }

  /** Undefined while it can't be opened. */
  get record(): Readonly<CredentialRecord> | undefined {
    return this.#keeper.record;
  }

  /** Token requests under way or waiting for their turn. */
  get flights(): number {
    return this.#variants.all().filter(({ flight }) => flight).length;
  }

  // ---- what it is made of ----

  /** Reads the sealed record: at start, and after the vault was unlocked. */
  load(): void {
    this.#forget();
    try {
      this.#keeper.load();
      this.#look();
    } catch (error) {
      this.#obstacle = unreadable(asAuthdError(error, this.name));
    }
    if (!this.#obstacle) this.#revive();
    this.#announce();
  }

  /** Takes over edited settings; tokens that they make wrong are dropped. */
  update(settings: CredentialSettings): void {
    this.#adopt(settings, acquisitionOf(settings) === acquisitionOf(this.#settings));
  }

  /** Seals new secrets (by name) and binds them to new settings; if that fails, all is as before. */
  async amend(
    settings: CredentialSettings,
    secrets: Readonly<Record<string, string>>,
    keepTokens = Object.keys(secrets).length === 0,
  ): Promise<void> {
    if (!this.#keeper.record && this.#obstacle) throw this.#obstacle.error;
    const tokensStay = keepTokens && acquisitionOf(settings) === acquisitionOf(this.#settings);
    const { rotates } = grantNamed(settings.grant);
    await this.#keeper.amend((record) => {
      record.secrets = { ...record.secrets, ...secrets };
      record.binding = settings.binding;
      if (!tokensStay) record.tokens = [];
      if (Object.hasOwn(secrets, rotates ?? "")) delete record.rotation;
    });
    this.#adopt(settings, tokensStay);
  }

  /** Binds the sealed secrets to the settings as they are now. */
  async trust(): Promise<void> {
    if (this.#obstacle && this.#obstacle.state !== "changed") throw this.#obstacle.error;
    await this.amend(this.#settings, {}, false);
  }

  /** It was removed: a flight that is still under way seals nothing any more. */
  retire(): void {
    this.#keeper.record = undefined;
    this.#forget();
  }

  #adopt(settings: CredentialSettings, tokensStay: boolean): void {
    const wasUsable = this.#obstacle === undefined;
    this.#settings = settings;
    if (this.#obstacle?.state === "locked" || this.#obstacle?.state === "damaged") return;
    this.#look();
    if (!tokensStay || !wasUsable) this.#forget();
    if (tokensStay && !wasUsable && !this.#obstacle) this.#revive();
    this.#reissue();
    this.#announce();
    this.#rearm();
  }

  #look(): void {
    const { record } = this.#keeper;
    this.#obstacle = obstacleOf(this.#settings, record);
    this.#keeper.record = record ?? { secrets: {}, binding: this.#settings.binding, tokens: [] };
  }

  #forget(): void {
    this.#variants.forget();
    this.#stopped = undefined;
    this.#lastError = undefined;
    this.#trust = new OriginTrust();
  }

  #revive(): void {
    const { record } = this.#keeper;
    if (!record) return;
    const now = this.#around.time.now();
    for (const stored of record.tokens) {
      const variant = this.#variants.of(stored.variant ?? {});
      const token = revive(stored, now, this.#around.time.bootId);
      if (freshness(token, now) !== "expired") {
        variant.issued = this.#issue(stored, token, now, true);
      }
      variant.askedAt = now.boot - Math.max(0, now.wall - stored.askedAt);
    }
    // The answer to the last try was lost: issuers that forgive it do so for a few seconds only.
    const intent = record.rotation?.intent;
    if (intent) this.#start(this.#variants.of(intent), false);
  }

  /** Answers hold headers and a wall-clock expiry: both can change without a new token. */
  #reissue(): void {
    const now = this.#around.time.now();
    for (const variant of this.#variants.all()) {
      const { issued } = variant;
      if (issued) variant.issued = this.#issue(issued, issued.token, now, issued.revived);
    }
  }

  #issue(
    { accessToken, tokenType, scope }: { accessToken: string; tokenType: string; scope?: string },
    token: Token,
    now: Moment,
    revived: boolean,
  ): IssuedToken {
    const parts = { accessToken, tokenType, ...(scope === undefined ? {} : { scope }) };
    const secrets = this.#keeper.record?.secrets ?? {};
    return issue({ ...parts, token, revived }, this.#settings, secrets, now);
  }

  // ---- tokens ----

  /** A cached token at once, without any I/O; otherwise what a flight brings. Throws AuthdError. */
  token(want: TokenWant): IssuedToken | Promise<IssuedToken> {
    if (this.#obstacle) throw this.#obstacle.error;
    const variant =
      want.scope === undefined && want.audience === undefined
        ? this.#variants.own
        : this.#asked(want);
    const now = this.#around.time.now();
    variant.askedAt = now.boot;
    const { issued } = variant;
    const rejected = want.rejectedToken !== undefined && want.rejectedToken === issued?.accessToken;
    if (want.forceRefresh || rejected) return this.#force(variant, want, now);
    if (issued && freshness(issued.token, now, want.minValidity) === "fresh") return issued;
    return this.#renew(variant, want, now);
  }

  #asked({ scope, audience }: TokenWant): Variant {
    const variant = this.#variants.asked(this.#settings, scope, audience);
    const { grant, own } = this.#settings;
    if (variant === this.#variants.own || grantNamed(grant).variants(own)) return variant;
    throw new AuthdError(
      "invalid_params",
      `${this.name}: its grant "${grant}" takes no scope or audience of the caller's`,
      { credential: this.name },
    );
  }

  /** `origin` took this token. */
  accepted(origin: string, issued: IssuedToken): void {
    this.#trust.accepted(origin, issued);
  }

  /**
   * After a 401: what to repeat the request with, or undefined if the 401 is the caller's answer.
   * `challenge` is the answer's WWW-Authenticate.
   */
  async renewAfter401(
    origin: string,
    issued: IssuedToken,
    challenge: string | undefined,
    want: Limits,
  ): Promise<IssuedToken | undefined> {
    const variant = this.#variants.own;
    const now = this.#around.time.now();
    if (this.#obstacle || issued.token.lifetime === Number.POSITIVE_INFINITY) return undefined;
    if (challenge !== undefined && /error="?insufficient_scope\b/i.test(challenge))
      return undefined;
    const current = variant.issued;
    if (current && current.accessToken !== issued.accessToken) {
      if (freshness(current.token, now) !== "expired") return current;
    }
    const age = issued.revived ? Number.POSITIVE_INFINITY : now.boot - issued.token.bornAt;
    const about = { age, now: now.boot, random: this.#around.clock.random() };
    if (!variant.flight && !this.#trust.shouldRenew(origin, issued, about)) return undefined;
    try {
      return await this.#force(variant, want, now);
    } catch {
      return undefined;
    }
  }

  /** What a person asks for: tries although the issuer refused or asked for patience. */
  async refresh(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#obstacle) throw this.#obstacle.error;
    this.#stopped = undefined;
    for (const variant of this.#variants.all()) variant.stopped = undefined;
    const { own } = this.#variants;
    await this.#wait(own.flight ?? this.#start(own, true), { timeoutMs, signal });
  }

  async #force(variant: Variant, want: TokenWant, now: Moment): Promise<IssuedToken> {
    const stopped = this.#stopped ?? variant.stopped;
    if (stopped) throw stopped;
    const { issued, flight } = variant;
    if (flight) return await this.#wait(flight, want);
    if (issued && want.forceRefresh && now.boot - variant.landedAt < JUST_REFRESHED) return issued;
    if (variant.retryAt > now.boot) throw this.#unavailable(variant, now);
    if (issued && want.rejectedToken !== undefined) this.#countRejection(variant, issued, now);
    return await this.#wait(this.#start(variant, true), want);
  }

  /** A program that finds every new token rejected must not make us hammer the issuer. */
  #countRejection(variant: Variant, issued: IssuedToken, now: Moment): void {
    const young = !issued.revived && now.boot - issued.token.bornAt < JUST_OBTAINED;
    variant.rejections = young ? variant.rejections + 1 : 0;
    if (variant.rejections > 1 && now.boot < variant.rejectionsHold) {
      throw new AuthdError(
        "issuer_unavailable",
        `${this.name}: the API rejects tokens that were only just obtained, so another would hardly fare better; check what this account may do`,
        { credential: this.name, retryAfterMs: Math.ceil(variant.rejectionsHold - now.boot) },
      );
    }
    const failures = Math.max(1, variant.rejections);
    variant.rejectionsHold = now.boot + backoff({ failures, random: this.#around.clock.random() });
  }

  async #renew(variant: Variant, want: TokenWant, now: Moment): Promise<IssuedToken> {
    const usable = () => {
      const { issued } = variant;
      if (!issued || issued.accessToken === want.rejectedToken) return undefined;
      return freshness(issued.token, this.#around.time.now()) === "expired" ? undefined : issued;
    };
    const held = usable();
    const stopped = this.#stopped ?? variant.stopped;
    if (held && (stopped || this.#resting(variant, now))) return held;
    if (stopped) throw stopped;
    if (this.#resting(variant, now)) {
      bringForward(variant, now);
      this.#around.rearm(variant.retryAt);
      if (this.#resting(variant, now)) throw this.#unavailable(variant, now);
    }
    const flight = variant.flight ?? this.#start(variant, true);
    try {
      return await this.#wait(flight, want, patienceFor(variant, held, now));
    } catch (error) {
      const cancelled = error instanceof AuthdError && error.reason === "cancelled";
      const left = cancelled ? undefined : usable();
      if (left) return left;
      if (error === OUT_OF_PATIENCE) throw this.#unavailable(variant, this.#around.time.now());
      throw error;
    }
  }

  /** Between two tries. */
  #resting(variant: Variant, now: Moment): boolean {
    return !variant.flight && variant.retryAt > now.boot;
  }

  #unavailable({ retryAt, error }: Variant, now: Moment): AuthdError {
    const wait = Math.max(SECOND, Math.ceil(retryAt - now.boot));
    const why = error?.message ?? `${this.name}: the issuer has not answered yet.`;
    const message = `${why} Next try in ${Math.ceil(wait / SECOND)} s.`;
    return new AuthdError("issuer_unavailable", message, {
      credential: this.name,
      retryAfterMs: wait,
      ...(error?.oauth ? { oauth: error.oauth } : {}),
    });
  }

  #wait(flight: Flight, { timeoutMs, signal }: Limits, patience?: number): Promise<IssuedToken> {
    return waitFor(flight, {
      credential: this.name,
      clock: this.#around.clock,
      timeoutMs,
      signal,
      ...(patience === undefined ? {} : { patience }),
    });
  }

  // ---- flights ----

  #start(variant: Variant, awaited: boolean): Flight {
    const flight: Flight = { awaited, promise: Promise.reject(OUT_OF_PATIENCE) };
    flight.promise.catch(() => {});
    variant.triedAt = this.#around.time.now().boot;
    variant.flight = flight;
    flight.promise = this.#fly(variant, flight).finally(() => {
      if (variant.flight === flight) variant.flight = undefined;
      this.#announce();
      this.#rearm();
    });
    // Those who wait hear of a failure; if nobody does, it has been noted.
    flight.promise.catch(() => {});
    this.#announce();
    return flight;
  }

  async #fly(variant: Variant, flight: Flight): Promise<IssuedToken> {
    const settings = this.#settings;
    const record = this.#keeper.record ?? { secrets: {}, binding: settings.binding, tokens: [] };
    try {
      const won = await this.#flights.send(variant, flight, {
        settings,
        grant: grantNamed(settings.grant),
        record,
        seal: () => this.#keeper.save(record, true),
      });
      return this.#landed(variant, record, won);
    } catch (error) {
      throw this.#failed(variant, record, asAuthdError(error, this.name));
    }
  }

  #landed(
    variant: Variant,
    record: CredentialRecord,
    { acquired, sent, answered }: Won,
  ): IssuedToken {
    const { time, clock, onEvent } = this.#around;
    const now = time.now();
    const token: Token = {
      ...lifetimeOf(acquired, sent.wall, answered.wall, this.#settings.ttl),
      bornAt: sent.boot,
      obtainedAt: sent.wall,
      jitter: clock.random(),
      doubtful: false,
    };
    if (expiryOf(token) <= now.boot) throw expiredOnArrival(this.name);
    const before = variant.issued?.token;
    const issued = this.#issue(acquired, token, now, false);
    Object.assign(variant, { issued, landedAt: now.boot, stopped: undefined });
    if (this.#variants.has(variant)) this.#stopped = undefined;
    record.refreshCount = (record.refreshCount ?? 0) + 1;
    record.lastRefreshAt = now.wall;
    if (bringsNothing(before, token, now)) {
      const message = `${this.name}: the issuer's renewal brought no later expiry.`;
      putOff(variant, new AuthdError("issuer_unavailable", message), now, clock.random());
    } else {
      Object.assign(variant, { failures: 0, retryAt: 0, holdUntil: 0, error: undefined });
    }
    // What can't be obtained again is sealed by now; the access token itself can be.
    void this.#keeper.save(record, false);
    onEvent({ kind: "refreshed", credential: this.name, expiresAt: issued.answer.expiresAt });
    return issued;
  }

  #failed(variant: Variant, record: CredentialRecord, failure: AuthdError): AuthdError {
    const { time, clock, log } = this.#around;
    const now = time.now();
    const own = variant === this.#variants.own;
    // The caller's own scope or audience does not fit: nothing was sent, and nothing is wrong here.
    if (failure.reason === "invalid_params" && !own) return failure;
    this.#failureCount++;
    this.#note(failure.reason, failure.message);
    log.warn({ credential: this.name, reason: failure.reason }, failure.message);
    const grant = grantNamed(this.#settings.grant);
    if (grant.rotates !== undefined) void this.#keeper.save(record, false);
    if (failure.reason === "login_required" || failure.reason === "credential_rejected") {
      if (!own && REFUSED_VARIATION.has(failure.oauth?.error ?? "")) variant.stopped = failure;
      else if (this.#variants.has(variant)) this.#stopped = failure;
      return failure;
    }
    putOff(variant, failure, now, clock.random());
    const held = variant.issued?.token;
    if (held && !held.assumed && usesUpFirst(grant, failure)) {
      variant.retryAt = Math.max(variant.retryAt, expiryOf(held));
    }
    return withRetry(failure, this.name, variant.retryAt - now.boot);
  }

  // ---- the timer's side ----

  /** Boot time of what is to be done next; Infinity if nothing is. */
  nextDeadline(now: Moment): number {
    let next = this.#keeper.saveAgainAt;
    for (const variant of this.#variants.all()) next = Math.min(next, this.#deadline(variant, now));
    return next;
  }

  /** Starts all that is due. `delay` (ms) says how long a renewal that can wait should. */
  runDue(now: Moment, delay: () => number): void {
    if (this.#keeper.saveAgainAt <= now.boot) void this.#keeper.save(this.#keeper.record, true);
    this.#announce();
    for (const variant of this.#variants.all()) {
      if (this.#deadline(variant, now) > now.boot) continue;
      const wait = delay();
      if (wait > 0) variant.spreadUntil = now.boot + wait;
      else this.#start(variant, false);
    }
  }

  /** The wall clock was stepped: what clients were told of expiry is off. */
  clockJumped(): void {
    this.#reissue();
  }

  #deadline(variant: Variant, now: Moment): number {
    if (this.#obstacle || this.#stopped) return Number.POSITIVE_INFINITY;
    const own = variant === this.#variants.own;
    const next = deadlineOf(variant, own && this.#settings.warm === "always", now);
    if (!own || variant.flight) return next;
    const session = refreshTokenDeadline(this.#keeper.record?.rotation, now);
    return Math.min(next, Math.max(session, variant.retryAt, variant.spreadUntil));
  }

  #rearm(): void {
    this.#around.rearm(this.nextDeadline(this.#around.time.now()));
  }

  // ---- what people see ----

  state(): State {
    if (this.#obstacle) return this.#obstacle.state;
    const variants = this.#variants.all();
    if (variants.some(({ flight }) => flight)) return "refreshing";
    if (this.#stopped?.reason === "login_required") return "login_required";
    if (this.#stopped) return "rejected";
    if (variants.some(({ failures }) => failures > 0)) return "failing";
    const now = this.#around.time.now();
    const ready = variants.some(
      ({ issued }) => issued && freshness(issued.token, now) !== "expired",
    );
    return ready ? "ready" : "idle";
  }

  info(): CredentialInfo {
    const now = this.#around.time.now();
    const face = this.#variants.face();
    const obstacle = this.#obstacle?.error;
    const inTheWay = obstacle && {
      reason: obstacle.reason,
      message: obstacle.message,
      at: now.wall,
    };
    const picture = {
      settings: this.#settings,
      record: this.#keeper.record,
      state: this.state(),
      face,
      deadline: this.#deadline(face, now),
      failureCount: this.#failureCount,
      lastError: this.#lastError ?? inTheWay,
    };
    return infoOf(picture, now);
  }

  #note(reason: Reason, message: string): void {
    this.#lastError = { reason, message, at: this.#around.time.now().wall };
  }

  #announce(): void {
    const state = this.state();
    if (state === this.#announced) return;
    this.#announced = state;
    const reason = this.#obstacle?.error.reason ?? this.#stopped?.reason;
    const { onEvent } = this.#around;
    onEvent({ kind: "state", credential: this.name, state, ...(reason ? { reason } : {}) });
  }
}

/** How long it makes sense to wait for a flight (ms). */
function patienceFor(variant: Variant, held: IssuedToken | undefined, now: Moment): number {
  if (held) return Math.min(PATIENCE, Math.max(0, expiryOf(held.token) - now.boot - JUST_BEFORE));
  return variant.failures > 0 ? PATIENCE : Number.POSITIVE_INFINITY;
}

function expiredOnArrival(credential: string): AuthdError {
  return new AuthdError(
    "issuer_unavailable",
    `${credential}: the issuer gave a token that has already expired; check the clock of this machine and of the issuer.`,
    { credential, contact: { sent: true, answered: true } },
  );
}

/** Everything that a cached token depends on. */
function acquisitionOf({ grant, own, fields, ca, ttl }: CredentialSettings): string {
  return JSON.stringify([grant, own, fields, ca, ttl]);
}

function asAuthdError(error: unknown, credential: string): AuthdError {
  if (error instanceof AuthdError) return error;
  const message = `${credential}: ${messageOf(error)}`;
  return new AuthdError("internal", message, { credential, cause: error });
}
