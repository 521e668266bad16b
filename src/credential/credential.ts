import type { Cancellation } from "../base/cancellation.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import type { ClientCertificate } from "../grants/grant.ts";
import { clientCertificate, grantNamed, rotatingSecret, tokenIdentity } from "../grants/index.ts";
import type { Account, SignedIn } from "../grants/login/index.ts";
import type {
  CredentialInfo,
  IntrospectResult,
  SignInDemand,
  State,
  Trouble,
  Unsaved,
} from "../protocol.ts";
import { removed } from "./blocker.ts";
import { promoteCandidate } from "./candidate.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { type RequestProver, requestProver, usesDpop } from "./dpop.ts";
import { infoOf, mayNeedPerson } from "./info.ts";
import { introspectToken } from "./introspection.ts";
import type { IssuedToken } from "./issued-token.ts";
import { acceptMetadata } from "./issuer-metadata.ts";
import { Lifecycle } from "./lifecycle.ts";
import { noteEarlyRejection } from "./lifetime-fault.ts";
import {
  type Candidate,
  type CredentialRecord,
  hasSecrets,
  isGuarded,
  type Refused,
  type TokenFile,
} from "./record.ts";
import {
  bindAll,
  boundTo,
  enterSecrets,
  isEntered,
  type NewSecrets,
  replacesRotating,
  setCandidate,
} from "./record-changes.ts";
import { clearRefusals } from "./refusals.ts";
import { rebuildResponses } from "./restored-tokens.ts";
import { KEEP_WARM_MS } from "./schedule.ts";
import { isAlone } from "./shared/alone.ts";
import { sharedCredential } from "./shared/shared-credential.ts";
import type { SharedCredential } from "./shared/shared-owner.ts";
import {
  type HeldSession,
  heldSession,
  type LoginOutcome,
  type LoginStart,
  loginStart,
  replacedAccount,
  signIn,
  signOut,
} from "./sign-in.ts";
import {
  forceRefresh,
  type GetTokenOptions,
  refreshOrServeStale,
  waitForRefresh,
} from "./slow-path.ts";
import { allowedScope, demandIn, noteDemand } from "./step-up.ts";
import { freshness } from "./token.ts";
import { slotFor, type TokenCache } from "./token-cache.ts";
import type { TokenRefresher } from "./token-refresher.ts";
import type { TokenSlot } from "./token-slot.ts";
import { noteTest } from "./troubles.ts";
import { isJustObtained, refreshAfter401 } from "./unauthorized-backoff.ts";
import { noteUsed } from "./untested.ts";
import type { WaitLimits } from "./wait.ts";

/** One credential: hands out its tokens, takes a person's changes, and tells its state. */
export class Credential {
  readonly #deps: CredentialDeps;
  readonly #life: Lifecycle;
  readonly #tokens: TokenCache;
  readonly #refresher: TokenRefresher;
  #jumpsSeen: number;

  constructor(settings: CredentialSettings, deps: CredentialDeps) {
    this.#deps = deps;
    this.#life = new Lifecycle(settings, deps, (...of) => new Credential(...of));
    this.#tokens = this.#life.tokens;
    this.#refresher = this.#life.refresher;
    this.#jumpsSeen = deps.time.jumps;
  }

  get name(): string {
    return this.#life.name;
  }

  /** Shown to APIs, which know the token by it; undefined: none. */
  get certificate(): ClientCertificate | undefined {
    return clientCertificate(this.settings.own, this.#life.stored.record?.secrets ?? {});
  }

  /** Signs requests to APIs; undefined: the tokens are bound to nothing. */
  get prover(): RequestProver | undefined {
    return usesDpop(this.settings)
      ? requestProver(this.settings, this.#life.stored.record, this.#deps)
      : undefined;
  }

  get settings(): CredentialSettings {
    return this.#life.settings;
  }

  /** Throws the AuthdError of what keeps the record from being read. */
  get record(): Readonly<CredentialRecord> {
    const { record } = this.#life.stored;
    if (record) return record;
    throw this.#life.blocker?.error ?? new Error(`${this.name} was not loaded`);
  }

  /** Returns a copy of the record with the tokens of now, also if it is not sealed yet. Throws as `record`. */
  snapshot(): CredentialRecord {
    return this.#life.stored.snapshot() ?? this.record;
  }

  /** The credential as a store that several hosts share sees it. */
  get shared(): SharedCredential {
    return sharedCredential(this.#life);
  }

  /** The name of the secret that the issuer replaces: a refresh token; undefined if there is none. */
  get rotates(): string | undefined {
    return rotatingSecret(this.settings);
  }

  /** True if rules limit who may use it, as it was last trusted. */
  get isRestricted(): boolean {
    const { record } = this.#life.stored;
    return record !== undefined && isGuarded(record);
  }

  /** False while the vault is locked, or the sealed record is damaged. */
  get isReadable(): boolean {
    return this.#life.stored.record !== undefined;
  }

  /** True from `closeFile` to the next settings. */
  get isFileBroken(): boolean {
    return this.#life.isFileBroken;
  }

  /** Token requests that are queued or being sent. */
  get pendingRefreshes(): number {
    return this.#refresher.count + (this.trial?.pendingRefreshes ?? 0);
  }

  /** True while a request with a rotating refresh token is under way: what it brings must be sealed. */
  get isSpending(): boolean {
    return this.#refresher.spending > 0 || this.trial?.isSpending === true;
  }

  /** True if a refresh token that must be sealed may still come, or has come and is not sealed yet. */
  get hasToSeal(): boolean {
    return this.#life.hasToSeal;
  }

  /** The change that is in memory only; undefined if everything is sealed. */
  get unsaved(): Unsaved | undefined {
    return this.#life.stored.unsaved;
  }

  // ---- tokens ----

  /** Returns a fresh cached token at once, without any I/O; otherwise waits for a request. Throws AuthdError. */
  token(options: GetTokenOptions): IssuedToken | Promise<IssuedToken> {
    const { blocker } = this.#life;
    if (blocker) throw blocker.error;
    const { scope, audience, rejectedToken } = options;
    const isOwn = scope === undefined && audience === undefined;
    const slot = isOwn ? this.#tokens.own : slotFor(this.#tokens, this.settings, scope, audience);
    const now = this.#deps.time.now();
    if (this.#deps.time.jumps !== this.#jumpsSeen) this.clockJumped();
    const isCold = now.boot - slot.lastUsedAt >= KEEP_WARM_MS;
    slot.lastUsedAt = now.boot;
    // A token unused for 12 h is not scheduled for refresh, so the timer may be set past its expiry.
    if (isCold) this.#life.reschedule();
    if (rejectedToken !== undefined) this.#noteRejection(slot, rejectedToken, now);
    const { issued } = slot;
    const isRejected = rejectedToken !== undefined && rejectedToken === issued?.accessToken;
    if (options.forceRefresh || isRejected) {
      return forceRefresh(this.#refresher, slot, options, now, isRejected);
    }
    if (issued && freshness(issued.token, now, options.minValidity) === "fresh") return issued;
    return refreshOrServeStale(this.#refresher, slot, options, now);
  }

  /** Checks whether the refresh of another slot revoked this token, as an API refused it. */
  #noteRejection(slot: TokenSlot, rejectedToken: string, now: Moment): void {
    const { issued } = slot;
    if (issued?.accessToken !== rejectedToken) return;
    if (!isJustObtained(issued, now)) this.#refresher.onRevoked(slot);
  }

  /** Notes that `origin` accepted this token; `refused`: the one before, which it refused for the same request. */
  recordAccepted(origin: string, issued: IssuedToken, refused?: IssuedToken): void {
    this.#life.unauthorized.recordAccepted(origin, issued);
    const isNewFault = refused !== undefined && noteEarlyRejection(this.#life, refused);
    if (noteUsed(this.#life, issued) || isNewFault) this.#save();
  }

  /** Notes that a program was given this token. */
  recordUsed(issued: IssuedToken): void {
    if (noteUsed(this.#life, issued)) this.#save();
  }

  #save(): void {
    const { stored } = this.#life;
    if (stored.record) void stored.save(stored.record, false);
  }

  /**
   * Returns the token to repeat a request with after a 401, or an answer that means the same; undefined if
   * that is the caller's response. `challenge` is its WWW-Authenticate.
   */
  async refreshAfter401(
    origin: string,
    issued: IssuedToken,
    challenge: string | undefined,
    limits: WaitLimits,
  ): Promise<IssuedToken | undefined> {
    return await refreshAfter401(this.#life, { origin, issued, challenge }, limits);
  }

  /**
   * Returns a token with the further scope that an API's challenge asks for, if the file allows that; undefined if
   * the answer is the caller's: then what a person can do is noted, and told of.
   */
  async stepUp(
    origin: string,
    issued: IssuedToken,
    challenge: string | undefined,
    limits: WaitLimits,
  ): Promise<IssuedToken | undefined> {
    const demand = demandIn(challenge, issued);
    const { record } = this.#life.stored;
    if (!demand || !record || this.#life.blocker) return undefined;
    const scope = allowedScope(this.settings, demand);
    if (scope !== undefined) {
      const wider = await Promise.resolve(this.token({ ...limits, scope })).catch(() => undefined);
      return wider?.accessToken === issued.accessToken ? undefined : wider;
    }
    if (noteDemand(record, this.settings, { origin, demand })) this.#save();
    return undefined;
  }

  /** Refreshes for a person: although the issuer refused, or asked to wait. */
  async refresh(timeoutMs: number, signal?: Cancellation): Promise<void> {
    const { blocker } = this.#life;
    if (blocker) throw blocker.error;
    for (const slot of this.#tokens.all()) slot.rejectedWith = undefined;
    const { record } = this.#life.stored;
    if (record?.demand) {
      delete record.demand;
      this.#save();
    }
    const { own } = this.#tokens;
    // If it fails, authd retries, unless the issuer refused before: then it is one request each time.
    own.lastUsedAt = this.#deps.time.now().boot;
    const purpose = { forced: true, byPerson: true };
    const pendingRefresh = own.pendingRefresh ?? this.#refresher.start(own, true, purpose);
    await waitForRefresh(this.#refresher, pendingRefresh, { timeoutMs, signal });
  }

  /** Obtains a token although nobody asks, and retries until it has one. */
  begin(): void {
    const { own } = this.#tokens;
    const isStopped = this.#life.blocker || this.#refresher.status.rejectedWith;
    if (isStopped || own.pendingRefresh) return;
    own.lastUsedAt = this.#deps.time.now().boot;
    this.#refresher.start(own, false);
  }

  /** Counts a failing credential as used: no program asks for a candidate, which is tried until it has worked. */
  keepTrying(now: Moment): void {
    const { own } = this.#tokens;
    if (!own.issued && own.failures > 0) own.lastUsedAt = now.boot;
  }

  // ---- changes ----

  /** Takes over edited settings. Drops tokens that other settings would have brought. */
  applySettings(settings: CredentialSettings): void {
    this.#life.applySettings(settings);
  }

  /** Blocks the credential until other settings come, as its file has a mistake, which `error` tells. */
  closeFile(error: AuthdError): void {
    this.#life.closeFile(error);
  }

  /** Seals new secrets and binds them to new settings; if that fails, nothing changes. */
  async update(settings: CredentialSettings, newSecrets: NewSecrets): Promise<void> {
    await this.#life.change(settings, !isEntered(newSecrets), (record) => {
      enterSecrets(record, settings, newSecrets);
      if (replacesRotating(settings, newSecrets)) this.#refresher.startAnew();
    });
  }

  /**
   * Resolves when no other host refreshes it, so that a change in a turn need not wait. Rejects with AuthdError `too_busy` if
   * one stays in the way.
   */
  async whenFree(): Promise<void> {
    const { shared } = this.#deps;
    if (shared && !isAlone(this.#life.stored.record)) await shared.whenFree(this.name);
  }

  /** Binds the sealed secrets to the current settings. */
  async trust(): Promise<void> {
    const { blocker } = this.#life;
    if (blocker && blocker.state !== "changed") throw blocker.error;
    const bound = boundTo(this.settings);
    await this.#life.change(this.settings, false, (record) => {
      bindAll(record, bound);
      acceptMetadata(record);
    });
  }

  /** Seals why nothing is sent to the issuer until a person acts; undefined: requests are sent again. */
  async refuse(refused: Refused | undefined): Promise<void> {
    const change = (record: CredentialRecord) => {
      clearRefusals(record);
      if (refused) record.refused = refused;
    };
    await this.#life.seal(change, () => {
      this.#refresher.reset();
      this.#life.recallRejection();
      this.#life.onChange();
    });
  }

  // ---- a person's sign-in: see sign-in.ts ----

  /** Everything that a sign-in works with from now on. Rejects with AuthdError. */
  async loginStart(demand?: SignInDemand): Promise<LoginStart> {
    return await loginStart(this.#life, demand);
  }

  /** Returns the account of before if this sign-in is not known to be of the same one. */
  replacedAccount(signedIn: SignedIn): Account | undefined {
    return replacedAccount(this.#life, signedIn);
  }

  async signIn(outcome: LoginOutcome): Promise<void> {
    await signIn(this.#life, outcome);
  }

  /** The tokens of the sign-in; undefined if nobody is signed in. Throws AuthdError if nobody can. */
  get heldSession(): HeldSession | undefined {
    return heldSession(this.#life);
  }

  /** Asks the issuer what it knows of the token that is handed out. Rejects with AuthdError. */
  async introspect(limits: WaitLimits): Promise<IntrospectResult> {
    const { accessToken } = await this.token(limits);
    return await introspectToken(this.#life, accessToken);
  }

  async signOut(): Promise<void> {
    await signOut(this.#life);
  }

  // ---- secrets that are tried before they are in force ----

  /** The secrets that were entered and that the issuer has not accepted yet. */
  get candidate(): Readonly<Candidate> | undefined {
    return this.#life.stored.record?.candidate;
  }

  /** The candidate as a credential, which can be asked for a token. */
  get trial(): Credential | undefined {
    return this.#life.trial?.credential;
  }

  /** True if its secrets have brought a token, and nothing suggests that they would bring no other. */
  get works(): boolean {
    const { record } = this.#life.stored;
    if (!record || this.#life.blocker || this.#refresher.status.rejectedWith) return false;
    const { grant, own, fields } = this.settings;
    const hasIssuer = grantNamed(grant).issuerUrl(own, fields) !== undefined;
    return hasIssuer && (record.refreshCount ?? 0) > 0;
  }

  /** Seals secrets beside those in force, which stay, and begins the trial. Undefined: drops the candidate. */
  async offer(candidate: Candidate | undefined): Promise<void> {
    const change = (record: CredentialRecord) => setCandidate(record, candidate, this.rotates);
    await this.#life.seal(change, () => this.#life.followTrial(candidate !== undefined));
  }

  /** Puts the candidate in force, with its tokens; if it can't be sealed, nothing changes. */
  async promote(settings: CredentialSettings): Promise<void> {
    if (this.trial) await promoteCandidate(this.#life, this.trial, settings);
  }

  /** Retries the promotion later, as the disk failed, or the credential file could not be written. */
  promoteLater(): void {
    this.#life.trial?.promoteLater();
    this.#life.reschedule();
  }

  // ---- files with the token: see admin/token-files ----

  /** Files to keep, as they are sealed; undefined while the record can't be read. */
  get tokenFiles(): readonly TokenFile[] | undefined {
    const { record } = this.#life.stored;
    return record && (record.tokenFiles ?? []);
  }

  async setTokenFiles(files: readonly TokenFile[]): Promise<void> {
    const change = (record: CredentialRecord) => {
      if (files.length > 0) record.tokenFiles = [...files];
      else delete record.tokenFiles;
    };
    await this.#life.seal(change, () => {});
  }

  /** Sets the troubles that people see of the files. */
  reportTokenFiles(troubles: readonly Trouble[]): void {
    this.#life.tokenFileTroubles = troubles;
  }

  // ---- loading, pauses and the end: see Lifecycle ----

  load(): void {
    this.#life.load();
  }

  /** Seals the record as it is in memory, if it was read. Never rejects. */
  async seal(): Promise<void> {
    const { record } = this.#life.stored;
    if (record && hasSecrets(record)) {
      await this.#life.stored.save(record, true);
    }
  }

  orphan(): void {
    this.#life.orphan();
  }

  detach(error = removed(this.name)): () => void {
    return this.#life.detach(error);
  }

  pause(error: AuthdError): () => void {
    return this.#life.pause(error);
  }

  // ---- the timer ----

  /** Returns the boot time of what is to be done next; Infinity if nothing is. */
  nextDeadline(now: Moment): number {
    return this.#life.nextDeadline(now);
  }

  /** Retries failed writes that are due at `now` (boot time, ms). */
  retrySave(now: number): void {
    this.#life.stored.retrySave(now);
    this.trial?.retrySave(now);
  }

  /** Does everything that is due. `delay` returns for how many ms a refresh that can wait is postponed. */
  runDue(now: Moment, delay: () => number): void {
    this.retrySave(now.boot);
    this.#life.state.report();
    this.#refresher.runDue(now, delay);
    this.#life.trial?.runDue(now, delay);
  }

  /** Rebuilds responses: the wall clock was stepped, and the expiry in them is off. */
  clockJumped(): void {
    this.#jumpsSeen = this.#deps.time.jumps;
    const secrets = this.#life.stored.record?.secrets ?? {};
    const source = { settings: this.settings, secrets };
    rebuildResponses(this.#tokens, source, this.#deps.time.now());
    this.trial?.clockJumped();
  }

  // ---- what people see ----

  state(): State {
    return this.#life.state.current();
  }

  /** True if something about it may need a person, now or later. */
  get needsAttention(): boolean {
    return mayNeedPerson(this.#life);
  }

  info(): CredentialInfo {
    return infoOf(this.#life);
  }

  /** Seals the result of a test of the API; undefined: it worked. */
  async noteTest(failure: { status?: number; message: string } | undefined): Promise<void> {
    const { stored } = this.#life;
    if (!stored.record || !noteTest(stored.record, this.settings, failure)) return;
    const told = failure ? { message: failure.message } : {};
    this.#deps.onEvent({ kind: "tested", credential: this.name, ...told });
    await stored.save(stored.record, false);
  }

  /** Names that the issuer reports, in an ID token or in the access token; for people. */
  get identity(): Record<string, string> {
    const inToken = tokenIdentity(this.#tokens.own.issued?.accessToken ?? "");
    return { ...inToken, ...this.#life.stored.record?.identity };
  }
}
