import { acquisitionOf } from "./credential/acquire.ts";
import { Asking, type Limits, type TokenWant } from "./credential/asking.ts";
import { CandidateTrial } from "./credential/candidate.ts";
import { issuerOf } from "./credential/flights.ts";
import { infoOf } from "./credential/info.ts";
import { type IssuedToken, issue } from "./credential/issued.ts";
import { Keeper } from "./credential/keeper.ts";
import { type Obstacle, obstacleOf, removed, unreadable } from "./credential/obstacle.ts";
import { JUST_OBTAINED, OriginTrust } from "./credential/origin-trust.ts";
import {
  type Candidate,
  type CredentialRecord,
  isGuarded,
  type Refused,
} from "./credential/record.ts";
import { clearRefusals } from "./credential/refusals.ts";
import { asAuthdError, Renewals } from "./credential/renewals.ts";
import { WARM_FOR } from "./credential/schedule.ts";
import { ownServes } from "./credential/superseded.ts";
import type { Surroundings } from "./credential/surroundings.ts";
import { type Variant, variantKey, variationOf } from "./credential/variant.ts";
import { Variants } from "./credential/variants.ts";
import { AuthdError } from "./errors.ts";
import { grantNamed } from "./grants/index.ts";
import type { CredentialInfo, State, Unsaved } from "./protocol.ts";
import type { CredentialSettings } from "./settings.ts";
import type { Moment } from "./timekeeper.ts";
import { expiryOf, freshness, lastAsked, revive } from "./token.ts";

/** A candidate that has worked, and could not be put in force, is to be put in force again after this (ms). */
const PROMOTE_AGAIN = 60_000;

/** New secrets by name. */
export interface Entered {
  secrets: Readonly<Record<string, string>>;
  /** Instead of all that there were, as if the credential were a new one. */
  whole?: boolean;
  /** The settings that they belong to, unless it is those given beside. */
  bound?: Pick<CredentialRecord, "binding" | "written">;
}

/**
 * One credential: its settings, its sealed record, and what they allow. What callers get in the end
 * is asking.ts, how tokens are renewed renewals.ts.
 */
export class Credential {
  readonly #around: Surroundings;
  readonly #keeper: Keeper;
  readonly #variants = new Variants();
  readonly #renewals: Renewals;
  readonly #asking: Asking;
  /** Of secrets that were entered beside those in force. Made when there are any. */
  #trial: CandidateTrial | undefined;
  #settings: CredentialSettings;
  /** What keeps the sealed record from being used with the settings. */
  #recordObstacle: Obstacle | undefined;
  /** The file that its settings come from has a mistake: what it says is not known. */
  #fileObstacle: Obstacle | undefined;
  /** Made when it is needed: most of 10,000 credentials are idle. */
  #trust: OriginTrust | undefined;
  #announced: State | undefined;
  /** The same, a renewal under way not counted. */
  #settled: State | undefined;
  #jumpsSeen: number;
  /** Boot time. */
  #promoteAgainAt = Number.POSITIVE_INFINITY;

  constructor(settings: CredentialSettings, around: Surroundings) {
    this.#around = around;
    this.#settings = settings;
    this.#jumpsSeen = around.time.jumps;
    this.#keeper = new Keeper({
      name: settings.name,
      vault: around.vault,
      time: around.time,
      log: around.log,
      variants: () => this.#variants.all(),
      acquisition: () => acquisitionOf(this.#settings),
      onFailure: (message, retryAt) => {
        this.#renewals.note("internal", message);
        around.rearm(this.name, retryAt);
      },
      onAlarm: (kind, message) => {
        around.onEvent({ kind, credential: this.name, message });
        this.#dropIfLocked();
      },
    });
    this.#renewals = new Renewals(around, {
      variants: this.#variants,
      keeper: this.#keeper,
      now: () => ({ settings: this.#settings, obstacle: this.#obstacle }),
      changed: () => {
        this.#dropIfLocked();
        this.#announce();
        this.#rearm();
      },
    });
    this.#asking = new Asking(settings.name, around, this.#renewals);
  }

  get name(): string {
    return this.#settings.name;
  }

  get settings(): CredentialSettings {
    return this.#settings;
  }

  /** Throws the AuthdError of what keeps it from being read. */
  get record(): Readonly<CredentialRecord> {
    const { record } = this.#keeper;
    if (record) return record;
    throw this.#obstacle?.error ?? new Error(`${this.name} was not loaded`);
  }

  /** A copy of the record with the tokens of now, also of what could not be sealed yet. Throws as `record`. */
  snapshot(): CredentialRecord {
    return this.#keeper.snapshot() ?? this.record;
  }

  /** The secret that may be spent once only: a refresh token. */
  get rotates(): string | undefined {
    return grantNamed(this.#settings.grant).rotates;
  }

  /** True if programs are kept from using it freely, as it was last trusted. */
  get isGuarded(): boolean {
    const { record } = this.#keeper;
    return record !== undefined && isGuarded(record);
  }

  /** False while the vault is locked, or its file damaged. */
  get isReadable(): boolean {
    return this.#keeper.record !== undefined;
  }

  /** Token requests under way or waiting for their turn. */
  get flights(): number {
    return this.#renewals.count + (this.trial?.flights ?? 0);
  }

  /** A request under way spends a rotating refresh token: what its answer brings must be sealed. */
  get isSpending(): boolean {
    return this.#renewals.spending > 0 || this.trial?.isSpending === true;
  }

  /** A request under way may bring a refresh token that must be sealed, or one has come and is not sealed yet. */
  get hasToSeal(): boolean {
    const isAtRisk = this.#renewals.spending > 0 || this.unsaved?.atRisk === "secrets";
    return isAtRisk || this.trial?.hasToSeal === true;
  }

  /** What is in memory only; undefined if all is sealed. */
  get unsaved(): Unsaved | undefined {
    return this.#keeper.unsaved;
  }

  // ---- what it is made of ----

  /**
   * Reads the sealed record: at start, and after the vault was locked or unlocked. A record that has to be
   * sealed still is newer than the sealed one, and stays.
   */
  load(): void {
    if (!this.#keeper.record || !this.hasToSeal) {
      this.#open(() => this.#keeper.load());
      return;
    }
    if (this.#around.vault.locked !== undefined) return;
    this.#look();
    this.#recall();
    this.#reopenTrial();
    this.#announce();
    this.#rearm();
  }

  /** A lock left the record here, so that what a request brings can be sealed: that is done. */
  #dropIfLocked(): void {
    const { vault } = this.#around;
    if (vault.locked === undefined || !this.#keeper.record || this.hasToSeal) return;
    this.load();
    void vault.release(this.name);
  }

  #open(read: () => void): void {
    this.#trial?.end();
    this.#forget();
    try {
      read();
      this.#look();
      this.#noteCode();
    } catch (error) {
      this.#recordObstacle = unreadable(asAuthdError(error, this.name));
    }
    if (!this.#recordObstacle) this.#revive();
    this.#followTrial();
    this.#announce();
    this.#rearm();
  }

  get #obstacle(): Obstacle | undefined {
    return this.#fileObstacle ?? this.#recordObstacle;
  }

  /** True from `closeFile` to the next settings. */
  get isFileBroken(): boolean {
    return this.#fileObstacle !== undefined;
  }

  /**
   * A file that its settings come from has a mistake, which `error` tells: nothing is handed out or
   * sent until other settings come. The record, its tokens and what is planned stay as they are.
   */
  closeFile(error: AuthdError): void {
    this.#fileObstacle = { state: "damaged", error };
    this.trial?.closeFile(error);
    this.#announce();
    this.#rearm();
  }

  /** Takes over edited settings; tokens that they make wrong are dropped. */
  update(settings: CredentialSettings): void {
    const isSame = acquisitionOf(settings) === acquisitionOf(this.#settings);
    this.#adopt(settings, isSame ? "stay" : "drop");
  }

  /** Seals new secrets and binds them to new settings; if that fails, all is as before. */
  async amend(settings: CredentialSettings, entered: Entered): Promise<void> {
    const { secrets, whole = false, bound = boundTo(settings) } = entered;
    const isSame = acquisitionOf(settings) === acquisitionOf(this.#settings);
    const isEntered = whole || Object.keys(secrets).length > 0;
    await this.#amend(settings, isSame && !isEntered ? "stay" : "drop", (record) => {
      record.secrets = whole ? { ...secrets } : { ...record.secrets, ...secrets };
      bind(record, bound);
      if (isEntered) delete record.candidate;
      else bindCandidate(record, bound);
      const { rotates } = grantNamed(settings.grant);
      if (whole || Object.hasOwn(secrets, rotates ?? "")) {
        delete record.rotation;
        this.#renewals.startAnew();
      }
      if (isEntered) clearRefusals(record);
      if (!whole) return;
      delete record.refreshCount;
      delete record.lastRefreshAt;
    });
  }

  /** Binds the sealed secrets to the settings as they are now. */
  async trust(): Promise<void> {
    if (this.#obstacle && this.#obstacle.state !== "changed") throw this.#obstacle.error;
    const bound = boundTo(this.#settings);
    await this.#amend(this.#settings, "drop", (record) => {
      bind(record, bound);
      bindCandidate(record, bound);
    });
  }

  // ---- secrets that are tried before they are in force ----

  /** Secrets that were entered, and wait to be taken by the issuer. */
  get candidate(): Readonly<Candidate> | undefined {
    return this.#keeper.record?.candidate;
  }

  /** The candidate as a credential, to be asked for a token. */
  get trial(): Credential | undefined {
    return this.#trial?.credential;
  }

  /** True if its secrets have brought a token, and nothing says that they would bring no other. */
  get works(): boolean {
    const { record } = this.#keeper;
    if (!record || this.#obstacle || this.#renewals.stopped) return false;
    const { grant, own, fields } = this.#settings;
    const isAsked = grantNamed(grant).issuerUrl(own, fields) !== undefined;
    return isAsked && (record.refreshCount ?? 0) > 0;
  }

  /**
   * Seals secrets beside those in force, which stay; `trial` is to be asked for a token. Without a
   * candidate the one that there is is dropped.
   */
  async offer(candidate: Candidate | undefined): Promise<void> {
    await this.#seal(
      (record) => {
        if (candidate) carryToken(record.candidate, candidate, this.rotates);
        if (candidate) record.candidate = candidate;
        else delete record.candidate;
      },
      () => this.#followTrial(candidate !== undefined),
    );
  }

  /** Puts the candidate in force, with its tokens; if it can't be sealed, all is as before. */
  async promote(settings: CredentialSettings): Promise<void> {
    const { trial } = this;
    if (!trial) return;
    let next = trial.snapshot();
    await this.#seal(
      (record) => {
        // While this is being sealed, the trial may get the answer to a refresh token that it spends.
        if (trial.isReadable) next = trial.snapshot();
        for (const key of Object.keys(record)) delete record[key as keyof CredentialRecord];
        Object.assign(record, next);
      },
      () => this.#adopt(settings, "revive"),
    );
    this.#tellPromoted();
  }

  /** It could not be put in force: the disk failed, or its file can't be written. */
  promoteLater(): void {
    this.#promoteAgainAt = this.#around.time.now().boot + PROMOTE_AGAIN;
    this.#rearm();
  }

  /** The token that the trial obtained is the credential's from now on. */
  #tellPromoted(): void {
    const { answer } = this.#variants.face().issued ?? {};
    if (!answer) return;
    this.#around.onEvent({
      kind: "refreshed",
      credential: this.name,
      expiresAt: answer.expiresAt,
      tookMs: this.record.lastRefreshMs ?? 0,
    });
  }

  /** Obtains a token although nobody asks, and goes on trying. */
  begin(): void {
    const { own } = this.#variants;
    if (this.#obstacle || this.#renewals.stopped || own.flight) return;
    own.askedAt = this.#around.time.now().boot;
    this.#renewals.start(own, false);
  }

  /** Seals why nothing is asked of the issuer until a person acts; undefined: it may be asked. */
  async refuse(refused: Refused | undefined): Promise<void> {
    await this.#seal(
      (record) => {
        clearRefusals(record);
        if (refused) record.refused = refused;
      },
      () => {
        this.#renewals.forget();
        this.#recall();
        this.#announce();
        this.#rearm();
      },
    );
  }

  /** The vault is open again, and this record has stayed. */
  #reopenTrial(): void {
    if (this.trial?.hasToSeal) {
      this.trial.load();
      return;
    }
    this.#trial?.end();
    this.#followTrial();
  }

  #followTrial(isOffered = false): void {
    if (!this.#keeper.record?.candidate && !this.#trial) return;
    this.#trial ??= new CandidateTrial({
      name: this.name,
      around: this.#around,
      record: () => this.#keeper.record,
      settings: () => this.#settings,
      save: (record, durable) => this.#keeper.save(record, durable),
      landed: () => this.#dropIfLocked(),
      create: (settings, around) => new Credential(settings, around),
    });
    this.#trial.follow(isOffered);
  }

  // ---- its end, and pauses ----

  /** Seals it as it is in memory, if it was read. Never rejects. */
  async seal(): Promise<void> {
    const { record } = this.#keeper;
    if (record && Object.keys(record.secrets).length > 0) await this.#keeper.save(record, true);
  }

  /**
   * Its file is gone, and its sealed record stays: callers get an error and nothing is sent any more, but
   * the refresh token that a request under way brings is sealed.
   */
  detach(): void {
    const state = this.#announced ?? this.state();
    this.trial?.detach();
    this.#forget();
    this.#recordObstacle = { state, error: removed(this.name) };
    this.#fileObstacle = undefined;
  }

  /**
   * It is being removed, or replaced: flights still under way seal nothing and tell nobody any more.
   * Callers get `error`. What this returns brings it back.
   */
  retire(error = removed(this.name)): () => void {
    const { record } = this.#keeper;
    const state = this.#announced ?? this.state();
    this.#trial?.end();
    this.#keeper.drop();
    this.#forget();
    const fileObstacle = this.#fileObstacle;
    this.#recordObstacle = { state, error };
    this.#fileObstacle = undefined;
    return () => {
      this.#fileObstacle = fileObstacle;
      if (!record) return this.load();
      this.#open(() => {
        this.#keeper.record = record;
      });
      void this.#keeper.save(record, true);
    };
  }

  /**
   * The vault is about to be locked: callers get `error`, and nothing is started any more; what is in
   * flight lands, and is sealed. What this returns makes it as it was. `load` ends it, either way.
   */
  pause(error: AuthdError): () => void {
    const before = this.#recordObstacle;
    this.#recordObstacle = unreadable(error);
    const resumeTrial = this.trial?.pause(error);
    this.#announce();
    return () => {
      resumeTrial?.();
      this.#recordObstacle = before;
      this.#announce();
      this.#rearm();
    };
  }

  async #amend(
    settings: CredentialSettings,
    tokens: "stay" | "drop",
    enter: (record: CredentialRecord) => void,
  ): Promise<void> {
    const change = (record: CredentialRecord) => {
      enter(record);
      if (tokens === "drop") record.tokens = [];
    };
    await this.#seal(change, () => this.#adopt(settings, tokens));
  }

  async #seal(change: (record: CredentialRecord) => void, adopt: () => void): Promise<void> {
    if (!this.#keeper.record && this.#obstacle) throw this.#obstacle.error;
    await this.#keeper.amend(change, adopt);
  }

  /** `revive`: those of the record take the place of those in memory. */
  #adopt(settings: CredentialSettings, tokens: "stay" | "drop" | "revive"): void {
    const wasUsable = this.#recordObstacle === undefined;
    this.#fileObstacle = undefined;
    // In the queue of the issuer of before, a flight would come late to another.
    const isSame = acquisitionOf(settings) === acquisitionOf(this.#settings);
    this.#settings = settings;
    const isLocked = this.#around.vault.locked !== undefined;
    if (isLocked && this.#keeper.record) this.#forget();
    if (isLocked || !this.#keeper.record) {
      this.#announce();
      return;
    }
    this.#look();
    const isNew = tokens !== "stay" || !wasUsable;
    if (isNew) this.#forget(isSame && wasUsable && !this.#obstacle);
    if (isNew && tokens !== "drop" && !this.#obstacle) this.#revive();
    this.#recall();
    this.#reissue();
    this.#followTrial();
    this.#announce();
    this.#rearm();
  }

  #look(): void {
    const { record } = this.#keeper;
    this.#recordObstacle = obstacleOf(this.#settings, record);
    const bound = boundTo(this.#settings);
    this.#keeper.record = record ?? { secrets: {}, ...bound, tokens: [] };
    // Vaults of before don't tell; and a key that binds nothing may have been edited.
    if (record?.binding === bound.binding) bind(record, bound);
  }

  /** A one-time code that was sent before this start is not sent again, by other credentials either. */
  #noteCode(): void {
    const { record } = this.#keeper;
    const grant = grantNamed(this.#settings.grant);
    // Vaults of before tell when the token came, in answer to the code.
    const { codeSentAt, lastRefreshAt, lastRefreshMs = 0 } = record ?? {};
    const sentAt =
      codeSentAt ?? (lastRefreshAt === undefined ? undefined : lastRefreshAt - lastRefreshMs);
    if (!record || sentAt === undefined || !grant.timeStep) return;
    const step = grant.timeStep(record.secrets, sentAt);
    if (step) this.#around.codes.note(issuerOf(grant, this.#settings), step);
  }

  /** `queued`: flights that have sent nothing yet go on. */
  #forget(queued = false): void {
    this.#variants.forget(queued);
    this.#renewals.forget();
    this.#trust = undefined;
  }

  #revive(): void {
    const { record } = this.#keeper;
    if (!record) return;
    try {
      this.#reviveTokens(record);
    } catch (error) {
      // They can be obtained anew, and no credential may keep the daemon from starting.
      this.#variants.forget();
      const { message } = asAuthdError(error, this.name);
      this.#around.log.warn(
        { credential: this.name },
        `its sealed tokens are not used: ${message}`,
      );
    }
    // The answer to the last try was lost: issuers that forgive it do so for a few seconds only.
    const intent = record.rotation?.intent;
    this.#recall();
    if (intent && !this.#renewals.stopped && !this.#fileObstacle && !this.hasToSeal) {
      this.#renewals.start(this.#variants.of(intent), true);
    }
  }

  /**
   * What was refused stays refused until a person enters something, refreshes it, or edits what its
   * own file says about the token request; undone, such an edit is none. `config.toml`, the rules and
   * the vault's lock have nothing to do with it.
   */
  #recall(): void {
    const { refused } = this.#keeper.record ?? {};
    if (!refused) return;
    // Vaults of before don't tell.
    refused.writtenRequest ??= this.#settings.writtenRequest;
    if (refused.writtenRequest === this.#settings.writtenRequest) this.#renewals.recall(refused);
    else this.#renewals.forget();
  }

  #reviveTokens(record: CredentialRecord): void {
    const { time } = this.#around;
    const now = time.now();
    for (const stored of this.#soundTokens(record)) {
      const variant = this.#variants.of(stored.variant ?? {});
      const token = revive(stored, now, time.bootId);
      // Also one that ran out meanwhile: what is in use is renewed without waiting for a caller.
      variant.issued = issue(stored, { token, revived: true }, this.#headerSource, now);
      variant.askedAt = lastAsked(stored, now, time.bootId);
      variant.askedSealedAt = variant.askedAt;
    }
  }

  /** None if the file was edited while authd was not running: they were obtained for something else. */
  #soundTokens({ tokens, obtainedWith }: CredentialRecord): CredentialRecord["tokens"] {
    if (tokens.length === 0 || obtainedWith === undefined) return tokens;
    return obtainedWith === acquisitionOf(this.#settings) ? tokens : [];
  }

  /** Answers hold headers and a wall-clock expiry: both can change without a new token. */
  #reissue(): void {
    const now = this.#around.time.now();
    for (const variant of this.#variants.all()) {
      const { issued } = variant;
      if (issued) variant.issued = issue(issued, issued, this.#headerSource, now);
    }
  }

  get #headerSource() {
    return { settings: this.#settings, secrets: this.#keeper.record?.secrets ?? {} };
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
    if (this.#around.time.jumps !== this.#jumpsSeen) this.clockJumped();
    const isCold = now.boot - variant.askedAt >= WARM_FOR;
    variant.askedAt = now.boot;
    // What nobody asked for was not going to be renewed: the timer may sleep beyond its end.
    if (isCold) this.#rearm();
    if (want.rejectedToken !== undefined) this.#noteRejection(variant, want.rejectedToken, now);
    const { issued } = variant;
    const rejected = want.rejectedToken !== undefined && want.rejectedToken === issued?.accessToken;
    if (want.forceRefresh || rejected) return this.#asking.force(variant, want, now, rejected);
    if (issued && freshness(issued.token, now, want.minValidity) === "fresh") return issued;
    return this.#asking.renew(variant, want, now);
  }

  #asked({ scope, audience }: TokenWant): Variant {
    const { grant, own } = this.#settings;
    const want = variationOf(own, scope, audience);
    if (want.scope !== undefined && want.audience === undefined) {
      if (ownServes(this.#settings, this.#variants.own, want.scope)) return this.#variants.own;
    }
    if (variantKey(want) === "" || grantNamed(grant).variants(own)) {
      return this.#variants.asked(want, this.name);
    }
    throw new AuthdError(
      "invalid_params",
      `${this.name}: its grant "${grant}" takes no scope or audience of the caller's`,
      { credential: this.name },
    );
  }

  /** An API refused this token: it may be that a refresh for another scope revoked it. */
  #noteRejection(variant: Variant, token: string, now: Moment): void {
    const { issued } = variant;
    if (issued?.accessToken !== token) return;
    const isOld = issued.revived || now.boot - issued.token.bornAt > JUST_OBTAINED;
    if (isOld) this.#renewals.noticeRevoked(variant);
  }

  /** `origin` took this token. */
  accepted(origin: string, issued: IssuedToken): void {
    this.#trust ??= new OriginTrust();
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
    this.#trust ??= new OriginTrust();
    if (!variant.flight && !this.#trust.shouldRenew(origin, issued, about)) return undefined;
    if (current === issued && this.#trust.hasWorked(issued)) this.#renewals.noticeRevoked(variant);
    try {
      return await this.#asking.force(variant, want, now, true);
    } catch {
      return undefined;
    }
  }

  /** What a person asks for: tries although the issuer refused or asked for patience. */
  async refresh(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#obstacle) throw this.#obstacle.error;
    for (const variant of this.#variants.all()) variant.stopped = undefined;
    const { own } = this.#variants;
    // If it fails, authd goes on trying, unless the issuer refused before: then it is one try each time.
    own.askedAt = this.#around.time.now().boot;
    const flight = own.flight ?? this.#renewals.start(own, true, { forced: true, byPerson: true });
    await this.#asking.wait(flight, { timeoutMs, signal });
  }

  // ---- the timer's side ----

  /** Boot time of what is to be done next; Infinity if nothing is. */
  nextDeadline(now: Moment): number {
    const { saveAgainAt } = this.#keeper;
    const own = Math.min(saveAgainAt, this.#renewals.nextDeadline(now), this.#nextExpiry(now));
    if (!this.trial) return own;
    return Math.min(own, this.trial.nextDeadline(now), this.#promoteAgainAt);
  }

  /** With the end of its last token it is ready no more. */
  #nextExpiry(now: Moment): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#announced !== "ready") return next;
    for (const { issued } of this.#variants.all()) {
      const expiry = issued ? expiryOf(issued.token) : next;
      if (expiry > now.boot && expiry < next) next = expiry;
    }
    return next;
  }

  /** Boot time: what could not be sealed before is tried again if that is due. */
  saveAgain(now: number): void {
    this.#keeper.saveAgain(now);
    this.trial?.saveAgain(now);
  }

  /** Starts all that is due. `delay` (ms) says how long a renewal that can wait should. */
  runDue(now: Moment, delay: () => number): void {
    this.saveAgain(now.boot);
    this.#announce();
    this.#renewals.runDue(now, delay);
    if (!this.trial) return;
    this.trial.#stayAwake(now);
    this.trial.runDue(now, delay);
    if (this.#promoteAgainAt > now.boot) return;
    this.#promoteAgainAt = Number.POSITIVE_INFINITY;
    this.#around.candidates.worked(this.name);
  }

  /** No program asks for what is only tried: it is tried until it has worked all the same. */
  #stayAwake(now: Moment): void {
    const { own } = this.#variants;
    if (!own.issued && own.failures > 0) own.askedAt = now.boot;
  }

  /** The wall clock was stepped: what clients were told of expiry is off. */
  clockJumped(): void {
    this.#jumpsSeen = this.#around.time.jumps;
    this.#reissue();
    this.trial?.clockJumped();
  }

  #rearm(): void {
    this.#around.rearm(this.name, this.nextDeadline(this.#around.time.now()));
  }

  // ---- what people see ----

  state(): State {
    if (this.#obstacle) return this.#obstacle.state;
    const { stopped } = this.#renewals;
    const now = this.#around.time.now();
    let state: State = "idle";
    for (const { flight, failures, issued } of this.#variants.all()) {
      if (flight) return "refreshing";
      if (failures > 0) state = "failing";
      else if (state === "idle" && issued && freshness(issued.token, now) !== "expired") {
        state = "ready";
      }
    }
    if (stopped) return stopped.reason === "login_required" ? "login_required" : "rejected";
    return state;
  }

  /** Something about it may need a person, now or on some day. */
  get isSuspect(): boolean {
    const { secretExpires } = this.#settings;
    // A locked vault is no credential's own problem.
    const isObstructed = this.#obstacle !== undefined && this.#obstacle.state !== "locked";
    const isRefused = this.#renewals.stopped !== undefined || this.trial?.isSuspect === true;
    const isStuck = isObstructed || isRefused;
    return isStuck || this.#keeper.unsaved !== undefined || secretExpires !== undefined;
  }

  info(): CredentialInfo {
    const now = this.#around.time.now();
    const face = this.#variants.face();
    const { failureCount, lastError } = this.#renewals;
    const picture = {
      settings: this.#settings,
      record: this.#keeper.record,
      state: this.state(),
      obstacle: this.#obstacle,
      face,
      deadline: this.#renewals.deadline(face, now),
      failureCount,
      lastError,
      candidate: this.#candidateInfo(),
      unsaved: this.#keeper.unsaved,
      others: this.#variants.others().map((variant) => ({
        variant,
        deadline: this.#renewals.deadline(variant, now),
      })),
    };
    return infoOf(picture, now);
  }

  #candidateInfo(): CredentialInfo["candidate"] {
    const { candidate, trial } = this;
    if (!candidate) return undefined;
    const message = trial?.info().lastError?.message;
    const state = trial?.state() ?? "damaged";
    return { enteredAt: candidate.enteredAt, state, ...(message ? { message } : {}) };
  }

  #announce(): void {
    const state = this.state();
    if (state === this.#announced) return;
    this.#announced = state;
    const reason = this.#obstacle?.error.reason ?? this.#renewals.stopped?.reason;
    const before = this.#settled;
    if (state !== "refreshing") this.#settled = state;
    this.#around.onEvent({
      kind: "state",
      credential: this.name,
      state,
      ...(before ? { before } : {}),
      ...(reason ? { reason } : {}),
    });
  }
}

/** A candidate that goes with the file as it is is bound to what that is bound to. */
function bindCandidate(
  record: CredentialRecord,
  bound: Pick<CredentialRecord, "binding" | "written">,
): void {
  const { candidate } = record;
  if (!candidate || candidate.file !== undefined) return;
  const own = { ...candidate.record };
  bind(own, bound);
  record.candidate = { ...candidate, replaces: bound.binding, record: own };
}

/**
 * The trial of the candidate before may have got a new refresh token meanwhile: one that goes on with
 * the same rotation takes it over.
 */
function carryToken(before: Candidate | undefined, next: Candidate, rotates = ""): void {
  const { rotation, secrets } = next.record;
  const token = before?.record.secrets[rotates];
  if (!rotation || before?.record.rotation !== rotation || token === undefined) return;
  next.record.secrets = { ...secrets, [rotates]: token };
}

/** What the sealed secrets are bound to. */
export function boundTo({ binding, written }: CredentialSettings) {
  return { binding, written };
}

function bind(
  record: CredentialRecord,
  { binding, written }: Pick<CredentialRecord, "binding" | "written">,
): void {
  record.binding = binding;
  if (written) record.written = written;
  else delete record.written;
}
