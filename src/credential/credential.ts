import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed, tokenIdentity } from "../grants/index.ts";
import type { CredentialInfo, State, Unsaved } from "../protocol.ts";
import { acquisitionDigest } from "./acquire.ts";
import { type Blocker, findBlocker, removed, unreadable } from "./blocker.ts";
import { CandidateTrial } from "./candidate.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { infoOf } from "./info.ts";
import { buildIssuedToken, type IssuedToken } from "./issued-token.ts";
import { type Candidate, type CredentialRecord, isGuarded, type Refused } from "./record.ts";
import { clearRefusals } from "./refusals.ts";
import { KEEP_WARM_MS } from "./schedule.ts";
import { type GetTokenOptions, type Limits, SlowPath } from "./slow-path.ts";
import { StoredRecord } from "./stored-record.ts";
import { ownServes } from "./superseded.ts";
import { expiryOf, freshness, lastAsked, restore } from "./token.ts";
import { TokenCache } from "./token-cache.ts";
import { asAuthdError, TokenRefresher } from "./token-refresher.ts";
import { issuerOf } from "./token-requests.ts";
import { type TokenSlot, targetKey, targetOf } from "./token-slot.ts";
import { JUST_OBTAINED_MS, UnauthorizedBackoff } from "./unauthorized-backoff.ts";

/** A candidate that has worked, and could not be put in force, is to be put in force again after this (ms). */
const PROMOTE_AGAIN = 60_000;

/** What a record's secrets are bound to. */
type Bound = Pick<CredentialRecord, "binding" | "written" | "boundValues">;

/** New secrets by name. */
export interface NewSecrets {
  secrets: Readonly<Record<string, string>>;
  /** Names of secrets that are removed. */
  dropped?: readonly string[];
  /** Instead of all that there were, as if the credential were a new one. */
  replaceAll?: boolean;
  /** The settings that they belong to, unless it is those given beside. */
  bound?: Bound;
}

/**
 * One credential: its settings, its sealed record, and what they allow. What callers get in the end
 * is asking.ts, how tokens are renewed renewals.ts.
 */
export class Credential {
  readonly #deps: CredentialDeps;
  readonly #stored: StoredRecord;
  readonly #tokens = new TokenCache();
  readonly #refresher: TokenRefresher;
  readonly #slowPath: SlowPath;
  /** Of secrets that were entered beside those in force. Made when there are any. */
  #trial: CandidateTrial | undefined;
  #settings: CredentialSettings;
  /** What keeps the sealed record from being used with the settings. */
  #recordObstacle: Blocker | undefined;
  /** The file that its settings come from has a mistake: what it says is not known. */
  #fileObstacle: Blocker | undefined;
  /** Made when it is needed: most of 10,000 credentials are idle. */
  #trust: UnauthorizedBackoff | undefined;
  #announced: State | undefined;
  /** The same, a renewal under way not counted. */
  #settled: State | undefined;
  #jumpsSeen: number;
  /** Boot time. */
  #promoteAgainAt = Number.POSITIVE_INFINITY;

  constructor(settings: CredentialSettings, deps: CredentialDeps) {
    this.#deps = deps;
    this.#settings = settings;
    this.#jumpsSeen = deps.time.jumps;
    this.#stored = new StoredRecord({
      name: settings.name,
      vault: deps.vault,
      time: deps.time,
      log: deps.log,
      tokens: () => this.#tokens.all(),
      acquisition: () => acquisitionDigest(this.#settings),
      onFailure: (message, retryAt) => {
        this.#refresher.recordError("internal", message);
        deps.rearm(this.name, retryAt);
      },
      onAlarm: (kind, message) => {
        deps.onEvent({ kind, credential: this.name, message });
        this.#dropIfLocked();
      },
    });
    this.#refresher = new TokenRefresher(deps, {
      tokens: this.#tokens,
      stored: this.#stored,
      now: () => ({ settings: this.#settings, blocker: this.#blocker }),
      changed: () => {
        this.#dropIfLocked();
        this.#announce();
        this.#rearm();
      },
    });
    this.#slowPath = new SlowPath(settings.name, deps, this.#refresher);
  }

  get name(): string {
    return this.#settings.name;
  }

  get settings(): CredentialSettings {
    return this.#settings;
  }

  /** Throws the AuthdError of what keeps it from being read. */
  get record(): Readonly<CredentialRecord> {
    const { record } = this.#stored;
    if (record) return record;
    throw this.#blocker?.error ?? new Error(`${this.name} was not loaded`);
  }

  /** A copy of the record with the tokens of now, also of what could not be sealed yet. Throws as `record`. */
  snapshot(): CredentialRecord {
    return this.#stored.snapshot() ?? this.record;
  }

  /** The secret that may be spent once only: a refresh token. */
  get rotates(): string | undefined {
    return grantNamed(this.#settings.grant).rotates;
  }

  /** True if programs are kept from using it freely, as it was last trusted. */
  get isRestricted(): boolean {
    const { record } = this.#stored;
    return record !== undefined && isGuarded(record);
  }

  /** False while the vault is locked, or its file damaged. */
  get isReadable(): boolean {
    return this.#stored.record !== undefined;
  }

  /** Token requests under way or waiting for their turn. */
  get pendingRefreshes(): number {
    return this.#refresher.count + (this.trial?.pendingRefreshes ?? 0);
  }

  /** A request under way spends a rotating refresh token: what its answer brings must be sealed. */
  get isSpending(): boolean {
    return this.#refresher.spending > 0 || this.trial?.isSpending === true;
  }

  /** A request under way may bring a refresh token that must be sealed, or one has come and is not sealed yet. */
  get hasToSeal(): boolean {
    const isAtRisk = this.#refresher.spending > 0 || this.unsaved?.atRisk === "secrets";
    return isAtRisk || this.trial?.hasToSeal === true;
  }

  /** What is in memory only; undefined if all is sealed. */
  get unsaved(): Unsaved | undefined {
    return this.#stored.unsaved;
  }

  // ---- what it is made of ----

  /**
   * Reads the sealed record: at start, and after the vault was locked or unlocked. A record that has to be
   * sealed still is newer than the sealed one, and stays.
   */
  load(): void {
    if (!this.#stored.record || !this.hasToSeal) {
      this.#open(() => this.#stored.load());
      return;
    }
    if (this.#deps.vault.locked !== undefined) return;
    this.#look();
    this.#recall();
    this.#reopenTrial();
    this.#announce();
    this.#rearm();
  }

  /** A lock left the record here, so that what a request brings can be sealed: that is done. */
  #dropIfLocked(): void {
    const { vault } = this.#deps;
    if (vault.locked === undefined || !this.#stored.record || this.hasToSeal) return;
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

  get #blocker(): Blocker | undefined {
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
  applySettings(settings: CredentialSettings): void {
    const isSame = acquisitionDigest(settings) === acquisitionDigest(this.#settings);
    this.#adopt(settings, isSame ? "stay" : "drop");
  }

  /** Seals new secrets and binds them to new settings; if that fails, all is as before. */
  async update(settings: CredentialSettings, newSecrets: NewSecrets): Promise<void> {
    const { secrets, dropped = [], replaceAll: whole = false } = newSecrets;
    const { bound = boundTo(settings) } = newSecrets;
    const isSame = acquisitionDigest(settings) === acquisitionDigest(this.#settings);
    const isEntered = whole || Object.keys(secrets).length > 0 || dropped.length > 0;
    await this.#amend(settings, isSame && !isEntered ? "stay" : "drop", (record) => {
      record.secrets = whole ? { ...secrets } : { ...record.secrets, ...secrets };
      for (const name of dropped) delete record.secrets[name];
      bind(record, bound);
      if (isEntered) delete record.candidate;
      else bindCandidate(record, bound);
      const { rotates } = grantNamed(settings.grant);
      if (whole || Object.hasOwn(secrets, rotates ?? "")) {
        delete record.rotation;
        this.#refresher.startAnew();
      }
      if (isEntered) clearRefusals(record);
      if (!whole) return;
      delete record.refreshCount;
      delete record.lastRefreshAt;
    });
  }

  /** Binds the sealed secrets to the settings as they are now. */
  async trust(): Promise<void> {
    if (this.#blocker && this.#blocker.state !== "changed") throw this.#blocker.error;
    const bound = boundTo(this.#settings);
    await this.#amend(this.#settings, "drop", (record) => {
      bind(record, bound);
      bindCandidate(record, bound);
    });
  }

  // ---- secrets that are tried before they are in force ----

  /** Secrets that were entered, and wait to be taken by the issuer. */
  get candidate(): Readonly<Candidate> | undefined {
    return this.#stored.record?.candidate;
  }

  /** The candidate as a credential, to be asked for a token. */
  get trial(): Credential | undefined {
    return this.#trial?.credential;
  }

  /** True if its secrets have brought a token, and nothing says that they would bring no other. */
  get works(): boolean {
    const { record } = this.#stored;
    if (!record || this.#blocker || this.#refresher.rejectedWith) return false;
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
    this.#promoteAgainAt = this.#deps.time.now().boot + PROMOTE_AGAIN;
    this.#rearm();
  }

  /** The token that the trial obtained is the credential's from now on. */
  #tellPromoted(): void {
    const { answer } = this.#tokens.primary().issued ?? {};
    if (!answer) return;
    this.#deps.onEvent({
      kind: "refreshed",
      credential: this.name,
      expiresAt: answer.expiresAt,
      tookMs: this.record.lastRefreshMs ?? 0,
    });
  }

  /** Obtains a token although nobody asks, and goes on trying. */
  begin(): void {
    const { own } = this.#tokens;
    if (this.#blocker || this.#refresher.rejectedWith || own.pendingRefresh) return;
    own.lastUsedAt = this.#deps.time.now().boot;
    this.#refresher.start(own, false);
  }

  /** Seals why nothing is asked of the issuer until a person acts; undefined: it may be asked. */
  async refuse(refused: Refused | undefined): Promise<void> {
    await this.#seal(
      (record) => {
        clearRefusals(record);
        if (refused) record.refused = refused;
      },
      () => {
        this.#refresher.forget();
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
    if (!this.#stored.record?.candidate && !this.#trial) return;
    this.#trial ??= new CandidateTrial({
      name: this.name,
      deps: this.#deps,
      record: () => this.#stored.record,
      settings: () => this.#settings,
      save: (record, durable) => this.#stored.save(record, durable),
      landed: () => this.#dropIfLocked(),
      create: (settings, deps) => new Credential(settings, deps),
    });
    this.#trial.follow(isOffered);
  }

  // ---- its end, and pauses ----

  /** Seals it as it is in memory, if it was read. Never rejects. */
  async seal(): Promise<void> {
    const { record } = this.#stored;
    if (record && Object.keys(record.secrets).length > 0) await this.#stored.save(record, true);
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
    const { record } = this.#stored;
    const state = this.#announced ?? this.state();
    this.#trial?.end();
    this.#stored.drop();
    this.#forget();
    const fileObstacle = this.#fileObstacle;
    this.#recordObstacle = { state, error };
    this.#fileObstacle = undefined;
    return () => {
      this.#fileObstacle = fileObstacle;
      if (!record) return this.load();
      this.#open(() => {
        this.#stored.record = record;
      });
      void this.#stored.save(record, true);
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
    if (!this.#stored.record && this.#blocker) throw this.#blocker.error;
    await this.#stored.update(change, adopt);
  }

  /** `revive`: those of the record take the place of those in memory. */
  #adopt(settings: CredentialSettings, tokens: "stay" | "drop" | "revive"): void {
    const wasUsable = this.#recordObstacle === undefined;
    this.#fileObstacle = undefined;
    // In the queue of the issuer of before, a flight would come late to another.
    const isSame = acquisitionDigest(settings) === acquisitionDigest(this.#settings);
    this.#settings = settings;
    const isLocked = this.#deps.vault.locked !== undefined;
    if (isLocked && this.#stored.record) this.#forget();
    if (isLocked || !this.#stored.record) {
      this.#announce();
      return;
    }
    this.#look();
    const isNew = tokens !== "stay" || !wasUsable;
    if (isNew) this.#forget(isSame && wasUsable && !this.#blocker);
    if (isNew && tokens !== "drop" && !this.#blocker) this.#revive();
    this.#recall();
    this.#reissue();
    this.#followTrial();
    this.#announce();
    this.#rearm();
  }

  #look(): void {
    const { record } = this.#stored;
    this.#recordObstacle = findBlocker(this.#settings, record);
    const bound = boundTo(this.#settings);
    this.#stored.record = record ?? { secrets: {}, ...bound, tokens: [] };
    // Vaults of before don't tell; and a key that binds nothing may have been edited.
    if (record?.binding === bound.binding) bind(record, bound);
  }

  /** A one-time code that was sent before this start is not sent again, by other credentials either. */
  #noteCode(): void {
    const { record } = this.#stored;
    const grant = grantNamed(this.#settings.grant);
    // Vaults of before tell when the token came, in answer to the code.
    const { codeSentAt, lastRefreshAt, lastRefreshMs = 0 } = record ?? {};
    const sentAt =
      codeSentAt ?? (lastRefreshAt === undefined ? undefined : lastRefreshAt - lastRefreshMs);
    if (!record || sentAt === undefined || !grant.timeStep) return;
    const step = grant.timeStep(record.secrets, sentAt);
    if (step) this.#deps.codes.note(issuerOf(grant, this.#settings), step);
  }

  /** `queued`: flights that have sent nothing yet go on. */
  #forget(queued = false): void {
    this.#tokens.forget(queued);
    this.#refresher.forget();
    this.#trust = undefined;
  }

  #revive(): void {
    const { record } = this.#stored;
    if (!record) return;
    try {
      this.#reviveTokens(record);
    } catch (error) {
      // They can be obtained anew, and no credential may keep the daemon from starting.
      this.#tokens.forget();
      const { message } = asAuthdError(error, this.name);
      this.#deps.log.warn({ credential: this.name }, `its sealed tokens are not used: ${message}`);
    }
    // The answer to the last try was lost: issuers that forgive it do so for a few seconds only.
    const intent = record.rotation?.intent;
    this.#recall();
    if (intent && !this.#refresher.rejectedWith && !this.#fileObstacle && !this.hasToSeal) {
      this.#refresher.start(this.#tokens.getOrCreate(intent), true);
    }
  }

  /**
   * What was refused stays refused until a person enters something, refreshes it, or edits what its
   * own file says about the token request; undone, such an edit is none. `config.toml`, the rules and
   * the vault's lock have nothing to do with it.
   */
  #recall(): void {
    const { refused } = this.#stored.record ?? {};
    if (!refused) return;
    // Vaults of before don't tell.
    refused.writtenRequest ??= this.#settings.writtenRequest;
    if (refused.writtenRequest === this.#settings.writtenRequest)
      this.#refresher.restoreRejection(refused);
    else this.#refresher.forget();
  }

  #reviveTokens(record: CredentialRecord): void {
    const { time } = this.#deps;
    const now = time.now();
    for (const stored of this.#soundTokens(record)) {
      const slot = this.#tokens.getOrCreate(stored.variant ?? {});
      const token = restore(stored, now, time.bootId);
      // Also one that ran out meanwhile: what is in use is renewed without waiting for a caller.
      slot.issued = buildIssuedToken(stored, { token, isRestored: true }, this.#headerSource, now);
      slot.lastUsedAt = lastAsked(stored, now, time.bootId);
      slot.lastUsedSavedAt = slot.lastUsedAt;
    }
  }

  /** None if the file was edited while authd was not running: they were obtained for something else. */
  #soundTokens({ tokens, obtainedWith }: CredentialRecord): CredentialRecord["tokens"] {
    if (tokens.length === 0 || obtainedWith === undefined) return tokens;
    return obtainedWith === acquisitionDigest(this.#settings) ? tokens : [];
  }

  /** Answers hold headers and a wall-clock expiry: both can change without a new token. */
  #reissue(): void {
    const now = this.#deps.time.now();
    for (const slot of this.#tokens.all()) {
      const { issued } = slot;
      if (issued) slot.issued = buildIssuedToken(issued, issued, this.#headerSource, now);
    }
  }

  get #headerSource() {
    return { settings: this.#settings, secrets: this.#stored.record?.secrets ?? {} };
  }

  // ---- tokens ----

  /** A cached token at once, without any I/O; otherwise what a flight brings. Throws AuthdError. */
  token(options: GetTokenOptions): IssuedToken | Promise<IssuedToken> {
    if (this.#blocker) throw this.#blocker.error;
    const slot =
      options.scope === undefined && options.audience === undefined
        ? this.#tokens.own
        : this.#asked(options);
    const now = this.#deps.time.now();
    if (this.#deps.time.jumps !== this.#jumpsSeen) this.clockJumped();
    const isCold = now.boot - slot.lastUsedAt >= KEEP_WARM_MS;
    slot.lastUsedAt = now.boot;
    // What nobody asked for was not going to be renewed: the timer may sleep beyond its end.
    if (isCold) this.#rearm();
    if (options.rejectedToken !== undefined) this.#noteRejection(slot, options.rejectedToken, now);
    const { issued } = slot;
    const rejected =
      options.rejectedToken !== undefined && options.rejectedToken === issued?.accessToken;
    if (options.forceRefresh || rejected) return this.#slowPath.force(slot, options, now, rejected);
    if (issued && freshness(issued.token, now, options.minValidity) === "fresh") return issued;
    return this.#slowPath.renew(slot, options, now);
  }

  #asked({ scope, audience }: GetTokenOptions): TokenSlot {
    const { grant, own } = this.#settings;
    const target = targetOf(own, scope, audience);
    if (target.scope !== undefined && target.audience === undefined) {
      if (ownServes(this.#settings, this.#tokens.own, target.scope)) return this.#tokens.own;
    }
    if (targetKey(target) === "" || grantNamed(grant).acceptsTarget(own)) {
      return this.#tokens.getOrEvict(target, this.name);
    }
    throw new AuthdError(
      "invalid_params",
      `${this.name}: its grant "${grant}" takes no scope or audience of the caller's`,
      { credential: this.name },
    );
  }

  /** An API refused this token: it may be that a refresh for another scope revoked it. */
  #noteRejection(slot: TokenSlot, token: string, now: Moment): void {
    const { issued } = slot;
    if (issued?.accessToken !== token) return;
    const isOld = issued.isRestored || now.boot - issued.token.bornAt > JUST_OBTAINED_MS;
    if (isOld) this.#refresher.noticeRevoked(slot);
  }

  /** `origin` took this token. */
  accepted(origin: string, issued: IssuedToken): void {
    this.#trust ??= new UnauthorizedBackoff();
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
    options: Limits,
  ): Promise<IssuedToken | undefined> {
    const slot = this.#tokens.own;
    const now = this.#deps.time.now();
    if (this.#blocker || issued.token.lifetime === Number.POSITIVE_INFINITY) return undefined;
    if (challenge !== undefined && /error="?insufficient_scope\b/i.test(challenge))
      return undefined;
    const current = slot.issued;
    if (current && current.accessToken !== issued.accessToken) {
      if (freshness(current.token, now) !== "expired") return current;
    }
    const age = issued.isRestored ? Number.POSITIVE_INFINITY : now.boot - issued.token.bornAt;
    const about = { age, now: now.boot, random: this.#deps.clock.random() };
    this.#trust ??= new UnauthorizedBackoff();
    if (!slot.pendingRefresh && !this.#trust.shouldRenew(origin, issued, about)) return undefined;
    if (current === issued && this.#trust.hasWorked(issued)) this.#refresher.noticeRevoked(slot);
    try {
      return await this.#slowPath.force(slot, options, now, true);
    } catch {
      return undefined;
    }
  }

  /** What a person asks for: tries although the issuer refused or asked for patience. */
  async refresh(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#blocker) throw this.#blocker.error;
    for (const slot of this.#tokens.all()) slot.rejectedWith = undefined;
    const { own } = this.#tokens;
    // If it fails, authd goes on trying, unless the issuer refused before: then it is one try each time.
    own.lastUsedAt = this.#deps.time.now().boot;
    const pendingRefresh =
      own.pendingRefresh ?? this.#refresher.start(own, true, { forced: true, byPerson: true });
    await this.#slowPath.wait(pendingRefresh, { timeoutMs, signal });
  }

  // ---- the timer's side ----

  /** Boot time of what is to be done next; Infinity if nothing is. */
  nextDeadline(now: Moment): number {
    const { saveAgainAt } = this.#stored;
    const own = Math.min(saveAgainAt, this.#refresher.nextDeadline(now), this.#nextExpiry(now));
    if (!this.trial) return own;
    return Math.min(own, this.trial.nextDeadline(now), this.#promoteAgainAt);
  }

  /** With the end of its last token it is ready no more. */
  #nextExpiry(now: Moment): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#announced !== "ready") return next;
    for (const { issued } of this.#tokens.all()) {
      const expiry = issued ? expiryOf(issued.token) : next;
      if (expiry > now.boot && expiry < next) next = expiry;
    }
    return next;
  }

  /** Boot time: what could not be sealed before is tried again if that is due. */
  saveAgain(now: number): void {
    this.#stored.saveAgain(now);
    this.trial?.saveAgain(now);
  }

  /** Starts all that is due. `delay` (ms) says how long a renewal that can wait should. */
  runDue(now: Moment, delay: () => number): void {
    this.saveAgain(now.boot);
    this.#announce();
    this.#refresher.runDue(now, delay);
    if (!this.trial) return;
    this.trial.#stayAwake(now);
    this.trial.runDue(now, delay);
    if (this.#promoteAgainAt > now.boot) return;
    this.#promoteAgainAt = Number.POSITIVE_INFINITY;
    this.#deps.candidates.worked(this.name);
  }

  /** No program asks for what is only tried: it is tried until it has worked all the same. */
  #stayAwake(now: Moment): void {
    const { own } = this.#tokens;
    if (!own.issued && own.failures > 0) own.lastUsedAt = now.boot;
  }

  /** The wall clock was stepped: what clients were told of expiry is off. */
  clockJumped(): void {
    this.#jumpsSeen = this.#deps.time.jumps;
    this.#reissue();
    this.trial?.clockJumped();
  }

  #rearm(): void {
    this.#deps.rearm(this.name, this.nextDeadline(this.#deps.time.now()));
  }

  // ---- what people see ----

  state(): State {
    if (this.#blocker) return this.#blocker.state;
    const { rejectedWith: stopped } = this.#refresher;
    const now = this.#deps.time.now();
    let state: State = "idle";
    for (const { pendingRefresh: flight, failures, issued } of this.#tokens.all()) {
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
  get needsAttention(): boolean {
    const { secretExpires } = this.#settings;
    // A locked vault is no credential's own problem.
    const isObstructed = this.#blocker !== undefined && this.#blocker.state !== "locked";
    const isRefused =
      this.#refresher.rejectedWith !== undefined || this.trial?.needsAttention === true;
    const isStuck = isObstructed || isRefused;
    return isStuck || this.#stored.unsaved !== undefined || secretExpires !== undefined;
  }

  info(): CredentialInfo {
    const now = this.#deps.time.now();
    const face = this.#tokens.primary();
    const { failureCount, lastError } = this.#refresher;
    const picture = {
      settings: this.#settings,
      record: this.#stored.record,
      state: this.state(),
      blocker: this.#blocker,
      face,
      deadline: this.#refresher.deadline(face, now),
      failureCount,
      lastError,
      candidate: this.#candidateInfo(),
      unsaved: this.#stored.unsaved,
      others: this.#tokens.others().map((slot) => ({
        slot,
        deadline: this.#refresher.deadline(slot, now),
      })),
    };
    return infoOf(picture, now);
  }

  /** Names that the issuer put into the access token; for people. */
  get identity(): Record<string, string> {
    return tokenIdentity(this.#tokens.own.issued?.accessToken ?? "");
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
    const reason = this.#blocker?.error.reason ?? this.#refresher.rejectedWith?.reason;
    const before = this.#settled;
    if (state !== "refreshing") this.#settled = state;
    this.#deps.onEvent({
      kind: "state",
      credential: this.name,
      state,
      ...(before ? { before } : {}),
      ...(reason ? { reason } : {}),
    });
  }
}

/** A candidate that goes with the file as it is is bound to what that is bound to. */
function bindCandidate(record: CredentialRecord, bound: Bound): void {
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
export function boundTo({ binding, written, boundValues }: CredentialSettings) {
  return { binding, written, boundValues };
}

function bind(record: CredentialRecord, { binding, written, boundValues }: Bound): void {
  record.binding = binding;
  if (written) record.written = written;
  else delete record.written;
  if (boundValues) record.boundValues = boundValues;
  else delete record.boundValues;
}
