import { isDeepStrictEqual } from "node:util";
import { Guesses } from "../base/suggest.ts";
import { isMistake } from "../config/config.ts";
import type {
  Configuration,
  CredentialSettings,
  FileMistake,
  OpenConfiguration,
} from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialInfo, State, Unsaved } from "../protocol.ts";
import type { Vault } from "../vault/vault.ts";
import { CallerRates } from "./admission.ts";
import { Credential } from "./credential.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { brokenInfo } from "./info.ts";
import type { CredentialRecord } from "./record.ts";
import { RefreshTimer } from "./refresh-timer.ts";
import type { SharedCredential } from "./shared/shared-owner.ts";
import type { SharedRecords } from "./shared/shared-records.ts";
import { UnreadFiles } from "./unread-files.ts";

type RegistryDeps = Omit<
  CredentialDeps,
  "reschedule" | "callerRates" | "tokenOf" | "dpopNonces"
> & {
  vault: Vault<CredentialRecord>;
};

/** Maps names to credentials, and drives them with the daemon's one timer. */
export class Registry {
  readonly #guesses = new Guesses();
  readonly #credentials = new Map<string, Credential>();
  /** Errors of credentials that never worked since the start, as their files can't be used. */
  readonly #broken = new Map<string, AuthdError>();
  readonly #unread: UnreadFiles;
  /** Undefined after every change of the names. */
  #sortedNames: readonly string[] | undefined;
  /** Credentials whose file is gone while there is something to seal for them. */
  readonly #orphaned = new Map<string, Credential>();
  readonly #deps: CredentialDeps & { vault: Vault<CredentialRecord> };
  readonly #timer: RefreshTimer;

  /** `onTick` is called with every tick of the timer, at least every 30 s. */
  constructor(deps: RegistryDeps, onTick: () => void = () => {}) {
    this.#deps = {
      ...deps,
      callerRates: new CallerRates(deps.clock),
      dpopNonces: new Map(),
      tokenOf: (name, asker) => this.#subjectTokenOf(name, asker),
      reschedule: (name, deadline) => this.#timer.reschedule(name, deadline),
    };
    this.#unread = new UnreadFiles(deps.clock, (read) => this.#take(read));
    this.#timer = new RefreshTimer(deps, this.#credentials, (nowBootMs) => {
      this.#sealOrphaned(nowBootMs);
      onTick();
    });
  }

  /** Number of credentials, those with broken files included. */
  get size(): number {
    return this.#credentials.size + this.#broken.size + this.#unread.size;
  }

  // ---- reading files at the start ----

  /** Takes over the credentials of a start. Each file is read when its credential is asked for, or by `readSome`. */
  open(configuration: Pick<OpenConfiguration, "names" | "read">): void {
    this.#unread.open(configuration);
    this.#sortedNames = undefined;
  }

  /** True if no file waits to be read. */
  get isRead(): boolean {
    return this.#unread.size === 0;
  }

  /** Resolves when no file waits to be read. */
  whenRead(): Promise<void> {
    return this.#unread.whenRead();
  }

  /** Reads files for about `ms`. */
  readSome(ms: number): void {
    this.#unread.readSome(ms);
  }

  #take(read: ReturnType<OpenConfiguration["read"]>): void {
    this.#sortedNames = undefined;
    if (isMistake(read)) this.#close(brokenFile(read), false);
    else if (read) this.add(read);
  }

  /** Token requests that are queued or being sent. */
  get pendingRefreshes(): number {
    return this.#withOrphaned().reduce((sum, credential) => sum + credential.pendingRefreshes, 0);
  }

  /** Names of the credentials with a request under way that uses a rotating refresh token. */
  get spending(): string[] {
    return this.#withOrphaned().flatMap(({ name, isSpending }) => (isSpending ? [name] : []));
  }

  /** Names of the credentials for which a refresh token that must be sealed may still come, or is not sealed yet. */
  get sealing(): string[] {
    return this.#withOrphaned().flatMap(({ name, hasToSeal }) => (hasToSeal ? [name] : []));
  }

  /** Fails every token request that is not sent yet with `error`, from now on. */
  refuse(error: AuthdError): void {
    this.#deps.refusal = error;
  }

  /** Returns a credential's token for another one. Rejects with AuthdError, also for credentials that need each other. */
  async #subjectTokenOf(name: string, asker: string): Promise<string> {
    const asked = new Set([asker]);
    for (let next: string | undefined = name; next !== undefined; ) {
      if (asked.has(next)) {
        const text = `${[...asked, next].join(" needs ")}: that has no beginning.`;
        throw new AuthdError("invalid_params", text, { credential: asker });
      }
      asked.add(next);
      const { own }: CredentialSettings = this.get(next).settings;
      next = (own as { subject?: { credential?: string } }).subject?.credential;
    }
    return (await this.get(name).token({})).accessToken;
  }

  // ---- records that hosts share ----

  /** Address of the store whose records this host shared, and which config.toml names no more. */
  get formerStore(): string | undefined {
    return this.#deps.formerStore;
  }

  /** Shares records with other hosts from now on; undefined: no more. */
  share(records: SharedRecords | undefined): void {
    this.#deps.shared = records;
    this.#deps.formerStore = undefined;
  }

  /** Holds token requests back that are not sent yet: they fail with `error` until the function is called. */
  hold(error: AuthdError): () => void {
    this.refuse(error);
    return () => {
      if (this.#deps.refusal === error) delete this.#deps.refusal;
    };
  }

  /** Returns the credential as the shared records see it; undefined if there is none that works. */
  findShared(name: string): SharedCredential | undefined {
    return this.hasLoaded(name) ? this.get(name).shared : undefined;
  }

  // ---- finding credentials ----

  /** Throws AuthdError `unknown_credential`. */
  get(name: string): Credential {
    this.#unread.read(name);
    const credential = this.#credentials.get(name);
    if (credential) return credential;
    const broken = this.#broken.get(name);
    if (broken) throw broken;
    const guess = this.#guesses.didYouMean(name, this.sortedNames());
    throw new AuthdError(
      "unknown_credential",
      `There is no credential "${name.slice(0, 64)}".${guess} \`authd list\` shows those that there are.`,
      { credential: name.slice(0, 64) },
    );
  }

  /** False for a credential that never worked since the start, as its file is broken. */
  hasLoaded(name: string): boolean {
    this.#unread.read(name);
    return this.#credentials.has(name);
  }

  /** True for every known name, that of a credential with a broken file included. */
  hasAny(name: string): boolean {
    this.#unread.read(name);
    return this.#credentials.has(name) || this.#broken.has(name);
  }

  all(): Credential[] {
    this.#unread.readAll();
    return [...this.#credentials.values()];
  }

  /** Those with something in memory: not those whose file was not read. */
  #withOrphaned(): Credential[] {
    return [...this.#credentials.values(), ...this.#orphaned.values()];
  }

  /** Returns all names, those of credentials with broken files included, in the order of their characters. */
  sortedNames(): readonly string[] {
    this.#sortedNames ??= [
      ...this.#credentials.keys(),
      ...this.#broken.keys(),
      ...this.#unread.names,
    ].sort();
    return this.#sortedNames;
  }

  /** True if rules limit who may use the credential; also if its files are broken or gone, until a person removes it. */
  isGuarded(name: string): boolean {
    this.#unread.read(name);
    return this.#credentials.get(name)?.isRestricted || this.#deps.vault.isGuarded(name);
  }

  /** Returns the name of a credential with rules; undefined if there is none. */
  anyGuarded(): string | undefined {
    return (
      this.all().find(({ isRestricted }) => isRestricted)?.name ?? this.#deps.vault.anyGuarded()
    );
  }

  // ---- what people see ----

  infos(): CredentialInfo[] {
    return [...this.each()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Yields infos in no order, each as it is when its turn comes, as 10,000 at once would take long. */
  *each(): Generator<CredentialInfo> {
    this.#unread.readAll();
    for (const credential of this.#credentials.values()) yield credential.info();
    const now = this.#deps.clock.wall();
    for (const [name, error] of this.#broken) yield brokenInfo(name, error, now);
  }

  info(name: string): CredentialInfo {
    this.#unread.read(name);
    const broken = this.#broken.get(name);
    return broken ? brokenInfo(name, broken, this.#deps.clock.wall()) : this.get(name).info();
  }

  /** Returns how many credentials are in each state, those with broken files included: cheaper than `infos`. */
  states(): Partial<Record<State, number>> {
    this.#unread.readAll();
    const states: Partial<Record<State, number>> = {};
    const add = (state: State, count: number) => {
      if (count > 0) states[state] = (states[state] ?? 0) + count;
    };
    for (const credential of this.#credentials.values()) add(credential.state(), 1);
    add("damaged", this.#broken.size);
    return states;
  }

  /** Returns the credentials that may need a person, now or later. */
  needingAttention(): CredentialInfo[] {
    const needing = this.all().filter((credential) => credential.needsAttention);
    const names = [...needing.map(({ name }) => name), ...this.#broken.keys()].sort();
    return names.map((name) => this.info(name));
  }

  // ---- configuration ----

  /**
   * Takes over a configuration; returns the names of what changed. A file with a mistake closes its
   * credential until it is corrected; a file that is gone removes it (its sealed record stays).
   */
  apply({ credentials, errors }: Configuration): string[] {
    this.#unread.readAll();
    const broken = errors.filter(({ credential }) => credential !== undefined).map(brokenFile);
    const kept = new Set(broken.map(({ credential }) => credential));
    const removed = [...this.#credentials.keys()].filter(
      (name) => !credentials.has(name) && !kept.has(name),
    );
    const changed = [...this.#applyErrors(broken), ...this.#applySettings(credentials.values())];
    for (const name of removed) this.#orphan(name);
    return [...changed, ...removed];
  }

  /** Closes the credentials whose files have mistakes; returns the names of those that were open. */
  #applyErrors(errors: readonly AuthdError[]): string[] {
    const knownBroken = new Set(this.#broken.keys());
    this.#broken.clear();
    this.#sortedNames = undefined;
    const changed: string[] = [];
    for (const error of errors) {
      const credential = error.credential ?? "";
      const known = this.#credentials.get(credential);
      if (known) {
        if (!known.isFileBroken) changed.push(credential);
        known.closeFile(error);
      } else this.#close(error, knownBroken.has(credential));
    }
    return changed;
  }

  /** Notes a credential that has not worked since the start. */
  #close(error: AuthdError, wasBroken: boolean): void {
    const { credential = "" } = error;
    this.#broken.set(credential, error);
    const before = wasBroken ? ({ before: "damaged" } as const) : {};
    const reason = "credential_damaged";
    this.#deps.onEvent({ kind: "state", credential, state: "damaged", ...before, reason });
  }

  /** Adds new credentials and updates edited ones; returns their names. */
  #applySettings(all: Iterable<CredentialSettings>): string[] {
    const changed: string[] = [];
    for (const settings of all) {
      const known = this.#credentials.get(settings.name);
      // The order of keys may differ: `add` resolves what it was given, a reload the file.
      const isSame = known && isDeepStrictEqual(known.settings, settings);
      if (isSame && !known.isFileBroken) continue;
      if (known) known.applySettings(settings);
      else this.add(settings);
      changed.push(settings.name);
    }
    return changed;
  }

  /** Closes every credential until the next configuration: a file that concerns all has a mistake. */
  closeAll(file: string, message: string): string[] {
    const open = this.all().filter(({ isFileBroken }) => !isFileBroken);
    for (const each of this.all()) {
      each.closeFile(brokenFile({ credential: each.name, file, message }));
    }
    return open.map(({ name }) => name);
  }

  /** Adds a credential and reads its sealed record; one that was orphaned continues. */
  add(settings: CredentialSettings): Credential {
    const { name } = settings;
    this.#unread.drop(name);
    const orphaned = this.#orphaned.get(name);
    this.#orphaned.delete(name);
    orphaned?.applySettings(settings);
    const credential = orphaned ?? new Credential(settings, this.#deps);
    this.#credentials.set(name, credential);
    this.#broken.delete(name);
    this.#sortedNames = undefined;
    this.#timer.add(name);
    credential.load();
    return credential;
  }

  delete(name: string): void {
    this.dropOrphaned(name);
    this.#credentials.get(name)?.detach();
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#unread.drop(name);
    this.#credentials.delete(name);
    this.#timer.delete(name);
    this.#broken.delete(name);
    this.#sortedNames = undefined;
  }

  /** Removes a credential whose file is gone, once what a request under way brings is sealed. */
  #orphan(name: string): void {
    const credential = this.#credentials.get(name);
    if (!credential?.hasToSeal) {
      this.delete(name);
      return;
    }
    credential.orphan();
    this.#orphaned.set(name, credential);
    this.#forget(name);
  }

  /** Drops an orphaned credential, as another of that name is about to take its place: nothing more is sealed for it. */
  dropOrphaned(name: string): void {
    this.#orphaned.get(name)?.detach();
    this.#orphaned.delete(name);
  }

  // ---- the vault ----

  /** Blocks every credential with `error`, until `loadAll` or a call of the function that it returns. */
  pauseAll(error: AuthdError): () => void {
    const resume = this.all().map((credential) => credential.pause(error));
    return () => {
      for (const each of resume) each();
    };
  }

  /** Reads every sealed record again, as the vault was unlocked. */
  loadAll(): void {
    for (const credential of this.#credentials.values()) credential.load();
    this.tick();
  }

  /** Names of the credentials with something in memory only. */
  get unsaved(): string[] {
    const all = [...this.#credentials.values()];
    return all.flatMap(({ name, unsaved }) => (unsaved ? [name] : []));
  }

  /** Seals every credential without a sealed file, as the vault's folder was removed. `sealed`: names with a file. */
  sealMissing(sealed: readonly string[]): void {
    const known = new Set(sealed);
    for (const credential of this.#credentials.values()) {
      if (!known.has(credential.name) && !credential.unsaved) void credential.seal();
    }
  }

  /** Retries every failed write. Returns what is still in memory only, by name. */
  async sealAgain(): Promise<ReadonlyMap<string, Unsaved>> {
    const behind = this.#withOrphaned().filter(({ unsaved }) => unsaved);
    await Promise.all(behind.map((credential) => credential.seal()));
    return new Map(
      behind.flatMap(({ name, unsaved }) => (unsaved ? [[name, unsaved] as const] : [])),
    );
  }

  #sealOrphaned(nowBootMs: number): void {
    for (const credential of this.#orphaned.values()) {
      if (credential.hasToSeal) credential.retrySave(nowBootMs);
      else this.dropOrphaned(credential.name);
    }
  }

  // ---- the timer ----

  /** Does all that is due, and sets the timer for the next deadline. */
  tick(): void {
    this.#timer.tick();
  }

  /** Wakes the timer at this boot time (ms) at the latest, once: it must be called again with each tick. */
  wakeBy(bootMs: number): void {
    this.#timer.wakeBy(bootMs);
  }

  /** Stops the timer: nothing is started by itself any more. */
  close(): void {
    this.#timer.close();
  }
}

function brokenFile({ credential = "", file, message }: FileMistake): AuthdError {
  return new AuthdError(
    "credential_damaged",
    `${credential}: ${file}, ${message} Mend it, then run: authd reload`,
    { credential },
  );
}
