import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import type { Trouble } from "../protocol.ts";
import { type Blocker, findBlocker, removed, unreadable } from "./blocker.ts";
import { CandidateTrial } from "./candidate.ts";
import type { Credential } from "./credential.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { type CredentialRecord, UNBOUND } from "./record.ts";
import { bind, boundTo, replaceRecord } from "./record-changes.ts";
import { noteSentCode, rebuildResponses, restoreTokens } from "./restored-tokens.ts";
import { changeAlone, isAlone } from "./shared/alone.ts";
import { StateReporter } from "./state.ts";
import { StoredRecord } from "./stored-record.ts";
import { TokenCache } from "./token-cache.ts";
import { asAuthdError, TokenRefresher } from "./token-refresher.ts";
import { acquisitionDigest } from "./token-requests.ts";
import { UnauthorizedBackoff } from "./unauthorized-backoff.ts";

/** Decides about the cached tokens when settings change. `restore`: the record's take their place. */
type TokensAfter = "keep" | "drop" | "restore";

const NO_TROUBLES: readonly Trouble[] = [];

/** Creates a credential: a candidate is tried as a credential of its own. */
type Create = (settings: CredentialSettings, deps: CredentialDeps) => Credential;

/**
 * Loads, replaces, pauses and ends one credential: its settings, its sealed record, and the tokens that were
 * obtained with both.
 */
export class Lifecycle {
  readonly deps: CredentialDeps;
  readonly stored: StoredRecord;
  readonly tokens = new TokenCache();
  readonly refresher: TokenRefresher;
  readonly state: StateReporter;
  settings: CredentialSettings;
  /** Token files that are not as they should be. */
  tokenFileTroubles: readonly Trouble[] = NO_TROUBLES;
  readonly #create: Create;
  /** Created with the first candidate. */
  #trial: CandidateTrial | undefined;
  /** Keeps the sealed record from being used with the settings. */
  #recordBlocker: Blocker | undefined;
  /** The credential file has a mistake, so its settings are not known. */
  #fileBlocker: Blocker | undefined;
  /** Created with the first API response: most of 10,000 credentials are idle. */
  #unauthorized: UnauthorizedBackoff | undefined;

  constructor(settings: CredentialSettings, deps: CredentialDeps, create: Create) {
    this.deps = deps;
    this.settings = settings;
    this.#create = create;
    this.stored = new StoredRecord({
      name: settings.name,
      vault: deps.vault,
      time: deps.time,
      log: deps.log,
      tokens: () => this.tokens.all(),
      acquisition: () => acquisitionDigest(this.settings),
      onFailure: (message, retryAtBootMs) => {
        this.refresher.status.recordError("internal", message);
        deps.reschedule(this.name, retryAtBootMs);
      },
      onAlarm: (kind, message) => {
        deps.onEvent({ kind, credential: this.name, message });
        this.#dropIfLocked();
      },
    });
    this.refresher = new TokenRefresher(deps, {
      tokens: this.tokens,
      stored: this.stored,
      current: () => ({ settings: this.settings, blocker: this.blocker }),
      onChange: () => {
        this.#dropIfLocked();
        this.recheck();
        this.onChange();
      },
    });
    this.state = new StateReporter(this.refresher);
  }

  get name(): string {
    return this.settings.name;
  }

  get blocker(): Blocker | undefined {
    return this.#fileBlocker ?? this.#recordBlocker;
  }

  get isFileBroken(): boolean {
    return this.#fileBlocker !== undefined;
  }

  get trial(): CandidateTrial | undefined {
    return this.#trial;
  }

  get unauthorized(): UnauthorizedBackoff {
    this.#unauthorized ??= new UnauthorizedBackoff();
    return this.#unauthorized;
  }

  /** True if a refresh token that must be sealed may still come, or has come and is not sealed yet. */
  get hasToSeal(): boolean {
    const isAtRisk = this.refresher.spending > 0 || this.stored.unsaved?.atRisk === "secrets";
    return isAtRisk || this.#trial?.credential?.hasToSeal === true;
  }

  // ---- the timer ----

  /** Returns the boot time of what is to be done next; Infinity if nothing is. */
  nextDeadline(now: Moment): number {
    const refreshAt = this.refresher.nextDeadline(now);
    const own = Math.min(this.stored.retrySaveAt, refreshAt, this.state.nextChange(now));
    return this.#trial ? Math.min(own, this.#trial.nextDeadline(now)) : own;
  }

  reschedule(): void {
    this.deps.reschedule(this.name, this.nextDeadline(this.deps.time.now()));
  }

  /** Reports the state if it has changed, and tells the timer the next deadline. */
  onChange(): void {
    this.state.report();
    this.reschedule();
  }

  // ---- the sealed record ----

  /**
   * Reads the sealed record: at start, and after the vault was locked or unlocked. A record in memory that
   * has to be sealed is newer than the sealed one, and stays.
   */
  load(): void {
    if (!this.stored.record || !this.hasToSeal) {
      this.#open(() => this.stored.load());
      return;
    }
    if (this.deps.vault.locked !== undefined) return;
    this.#checkRecord();
    this.recallRejection();
    this.#reopenTrial();
    this.onChange();
  }

  /** Drops a record that stayed in memory after a lock until the response to a request was sealed. */
  #dropIfLocked(): void {
    const { vault } = this.deps;
    if (vault.locked === undefined || !this.stored.record || this.hasToSeal) return;
    this.load();
    void vault.release(this.name);
  }

  #open(read: () => void): void {
    this.#trial?.end();
    this.#forget();
    try {
      read();
      const record = this.#checkRecord();
      noteSentCode(record, this.settings, this.deps);
      if (record.shared?.pending) this.deps.shared?.commits.later(this.name);
    } catch (error) {
      this.#recordBlocker = unreadable(asAuthdError(error, this.name));
    }
    if (!this.#recordBlocker) this.#restore();
    this.followTrial();
    this.onChange();
  }

  /** Finds what blocks the record's use with the settings. Creates a record if there is none. */
  #checkRecord(): CredentialRecord {
    const { record } = this.stored;
    this.#recordBlocker = findBlocker(this.settings, record);
    const bound = boundTo(this.settings);
    // Adds `written` to records of older versions, and follows edits of keys that bind nothing.
    if (record?.binding === bound.binding) bind(record, bound);
    const isAgreed = this.#recordBlocker?.state !== "changed";
    const fresh = isAgreed ? bound : { binding: UNBOUND, boundValues: {} };
    this.stored.record = record ?? { secrets: {}, ...fresh, tokens: [] };
    return this.stored.record;
  }

  /** Blocks the credential if its issuer has named other addresses since its record was read. */
  recheck(): void {
    if (this.#recordBlocker || !this.stored.record?.discovered?.offered) return;
    this.#recordBlocker = findBlocker(this.settings, this.stored.record);
    this.onChange();
  }

  /** Drops tokens, failures and rejections. `keepQueued`: requests that were not sent yet stay. */
  #forget(keepQueued = false): void {
    this.tokens.forget(keepQueued);
    this.refresher.reset();
    this.#unauthorized = undefined;
  }

  #restore(): void {
    const { record } = this.stored;
    if (!record) return;
    try {
      restoreTokens(this.tokens, record, this.settings, this.deps);
    } catch (error) {
      // Tokens can be obtained anew, and no credential may keep the daemon from starting.
      this.tokens.forget();
      const { message } = asAuthdError(error, this.name);
      this.deps.log.warn({ credential: this.name }, `its sealed tokens are not used: ${message}`);
    }
    this.recallRejection();
    // The last response was lost: issuers that forgive it do so for a few seconds only.
    const intent = record.rotation?.intent;
    const isBlocked = this.refresher.status.rejectedWith || this.#fileBlocker || this.hasToSeal;
    if (intent && !isBlocked) this.refresher.start(this.tokens.getOrCreate(intent), true);
  }

  /**
   * Applies the rejection in the record. It holds until a person enters secrets, refreshes the credential, or
   * edits what its own file says about the token request; undoing such an edit brings it back. Changes of
   * `config.toml`, the rules and the vault's lock do not end it.
   */
  recallRejection(): void {
    const { refused } = this.stored.record ?? {};
    if (!refused) return;
    const { writtenRequest } = this.settings;
    // Records of older versions lack it.
    refused.writtenRequest ??= writtenRequest;
    if (refused.writtenRequest !== writtenRequest) this.refresher.reset();
    else this.refresher.status.restoreRejection(this.name, refused);
  }

  // ---- changes ----

  /** Blocks the credential until other settings come, as its file has a mistake. Record, tokens and deadlines stay. */
  closeFile(error: AuthdError): void {
    this.#fileBlocker = { state: "damaged", error };
    this.#trial?.credential?.closeFile(error);
    this.onChange();
  }

  /** Takes over edited settings. Drops tokens that other settings would have brought. */
  applySettings(settings: CredentialSettings): void {
    this.adopt(settings, this.#obtainsSame(settings) ? "keep" : "drop");
  }

  /** Seals a change of the record together with new settings; if that fails, nothing changes. */
  async change(
    settings: CredentialSettings,
    keepsTokens: boolean,
    change: (record: CredentialRecord) => void,
  ): Promise<void> {
    const after = keepsTokens && this.#obtainsSame(settings) ? "keep" : "drop";
    const changeTokens = (record: CredentialRecord) => {
      change(record);
      if (after === "drop") record.tokens = [];
    };
    await this.seal(changeTokens, () => this.adopt(settings, after), settings);
  }

  /** Seals a change of the record. `settings`: those that are in force with it. */
  async seal(
    change: (record: CredentialRecord) => void,
    adopt: () => void,
    settings = this.settings,
  ): Promise<void> {
    if (!this.stored.record && this.blocker) throw this.blocker.error;
    const { shared } = this.deps;
    if (!shared || isAlone(this.stored.record))
      return await this.stored.update(changeAlone(settings, change), adopt);
    await shared.change(settings, change, (marked) => this.stored.update(marked, adopt));
  }

  /** Seals the record that another host has committed, and uses it from then on. */
  async takeShared(next: CredentialRecord, isChange: boolean): Promise<void> {
    const before = this.tokens.own.issued?.accessToken;
    const change = (record: CredentialRecord) => {
      replaceRecord(record, next);
      if (next.shared) record.shared = next.shared;
    };
    await this.stored.update(change, () => this.adopt(this.settings, "restore"), isChange);
    const { issued } = this.tokens.own;
    if (!issued || issued.accessToken === before) return;
    const { expiresAt } = issued.answer;
    this.deps.onEvent({ kind: "refreshed", credential: this.name, expiresAt });
  }

  /** True if tokens obtained with `settings` would be those that the current settings bring. */
  #obtainsSame(settings: CredentialSettings): boolean {
    return acquisitionDigest(settings) === acquisitionDigest(this.settings);
  }

  adopt(settings: CredentialSettings, after: TokensAfter): void {
    const wasUsable = this.#recordBlocker === undefined;
    this.#fileBlocker = undefined;
    const isSame = this.#obtainsSame(settings);
    this.settings = settings;
    const isLocked = this.deps.vault.locked !== undefined;
    if (isLocked && this.stored.record) this.#forget();
    if (isLocked || !this.stored.record) {
      this.state.report();
      return;
    }
    const record = this.#checkRecord();
    const isReplaced = after !== "keep" || !wasUsable;
    // A queued request stays only for the same issuer: in another's queue it would be sent out of turn.
    if (isReplaced) this.#forget(isSame && wasUsable && !this.blocker);
    if (isReplaced && after !== "drop" && !this.blocker) this.#restore();
    this.recallRejection();
    const { secrets } = record;
    rebuildResponses(this.tokens, { settings, secrets }, this.deps.time.now());
    this.followTrial();
    this.onChange();
  }

  // ---- the candidate ----

  /** Begins, changes or ends the trial of the record's candidate. `isOffered` as in CandidateTrial. */
  followTrial(isOffered = false): void {
    if (!this.stored.record?.candidate && !this.#trial) return;
    this.#trial ??= new CandidateTrial({
      name: this.name,
      deps: this.deps,
      record: () => this.stored.record,
      settings: () => this.settings,
      save: (record, durable) => this.stored.save(record, durable),
      onSettled: () => this.#dropIfLocked(),
      create: this.#create,
    });
    this.#trial.follow(isOffered);
  }

  /** Continues the trial after the vault was unlocked, where the record stayed in memory. */
  #reopenTrial(): void {
    const trial = this.#trial?.credential;
    if (trial?.hasToSeal) {
      trial.load();
      return;
    }
    this.#trial?.end();
    this.followTrial();
  }

  // ---- end and pause ----

  /**
   * Blocks the credential, as its file is gone. Its sealed record stays, and a refresh token that a request
   * under way brings is sealed.
   */
  orphan(): void {
    this.#trial?.credential?.orphan();
    this.#block(removed(this.name));
  }

  /**
   * Detaches the credential before it is removed or replaced: requests in flight no longer write to the
   * vault or emit events, and callers get `error`. Returns a function that undoes this.
   */
  detach(error: AuthdError): () => void {
    const { record } = this.stored;
    this.#trial?.end();
    this.stored.drop();
    const fileBlocker = this.#fileBlocker;
    this.#block(error);
    return () => {
      this.#fileBlocker = fileBlocker;
      if (!record) return this.load();
      this.#open(() => {
        this.stored.record = record;
      });
      void this.stored.save(record, true);
    };
  }

  #block(error: AuthdError): void {
    const state = this.state.last;
    this.#forget();
    this.#recordBlocker = { state, error };
    this.#fileBlocker = undefined;
  }

  /**
   * Blocks the credential while the vault is being locked: callers get `error`, no request is started, and
   * what requests under way bring is sealed. Returns a function that undoes this; `load` ends it, too.
   */
  pause(error: AuthdError): () => void {
    const before = this.#recordBlocker;
    this.#recordBlocker = unreadable(error);
    const resumeTrial = this.#trial?.credential?.pause(error);
    this.state.report();
    return () => {
      resumeTrial?.();
      this.#recordBlocker = before;
      this.onChange();
    };
  }
}
