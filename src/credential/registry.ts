import type { Timer } from "../base/clock.ts";
import { didYouMean } from "../base/suggest.ts";
import type { Configuration, CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialInfo, State, Unsaved } from "../protocol.ts";
import type { Vault } from "../vault/vault.ts";
import { Credential } from "./credential.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import { brokenInfo } from "./info.ts";
import { Pace } from "./pace.ts";
import type { CredentialRecord } from "./record.ts";

/** Longest sleep of the timer, ms: what survives 32-bit overflow, suspend and clock steps. */
const MAX_SLEEP_MS = 30_000;
/**
 * Every credential is looked at so often (ms), whatever is due: a wall clock that is slewed moves
 * deadlines, and that a program has asked is to be sealed now and then.
 */
const SWEEP_INTERVAL_MS = 5 * 60_000;
/** After a clock jump, renewals that can wait are spread over this, ms. */
const SPREAD_MS = 5_000;

/** Name → Credential, and the daemon's one timer. */
export class Registry {
  readonly #credentials = new Map<string, Credential>();
  /** Why the files of credentials that never worked since the start can't be used. */
  readonly #broken = new Map<string, AuthdError>();
  /** Those whose file is gone while there is something to seal for them. */
  readonly #detached = new Map<string, Credential>();
  /** Before the time that it says there is nothing to do for a credential; later there may be. */
  readonly #deadlines = new DeadlineQueue();
  readonly #deps: CredentialDeps & { vault: Vault<CredentialRecord> };
  readonly #onTick: () => void;
  #timer: Timer | undefined;
  /** Boot time at which the timer rings. */
  #armedFor = Number.POSITIVE_INFINITY;
  #jumpsSeen = 0;
  /** Boot time at which every credential was last looked at. */
  #sweptAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** `onTick` is called with every ring, at least every 30 s. */
  constructor(
    deps: Omit<CredentialDeps, "rearm" | "pace"> & { vault: Vault<CredentialRecord> },
    onTick: () => void = () => {},
  ) {
    this.#deps = {
      ...deps,
      pace: new Pace(deps.clock),
      rearm: (name, deadline) => this.#rearm(name, deadline),
    };
    this.#onTick = onTick;
    this.#jumpsSeen = deps.time.jumps;
  }

  /** Those whose files are broken included. */
  get size(): number {
    return this.#credentials.size + this.#broken.size;
  }

  /** Token requests under way or waiting for their turn. */
  get pendingRefreshes(): number {
    return this.#withDetached().reduce((sum, credential) => sum + credential.pendingRefreshes, 0);
  }

  /** Names of those whose requests spend a rotating refresh token. */
  get spending(): string[] {
    return this.#withDetached().flatMap(({ name, isSpending }) => (isSpending ? [name] : []));
  }

  /** Names of those whose requests may bring a refresh token that must be sealed, or have brought one that is not yet. */
  get sealing(): string[] {
    return this.#withDetached().flatMap(({ name, hasToSeal }) => (hasToSeal ? [name] : []));
  }

  /** No token request is begun any more, for the reason that `error` tells: what waits for its turn fails with it. */
  refuse(error: AuthdError): void {
    this.#deps.refusal = error;
  }

  /** Throws AuthdError `unknown_credential`. */
  get(name: string): Credential {
    const credential = this.#credentials.get(name);
    if (credential) return credential;
    const broken = this.#broken.get(name);
    if (broken) throw broken;
    const guess = didYouMean(name, this.#credentials.keys());
    throw new AuthdError(
      "unknown_credential",
      `There is no credential "${name.slice(0, 64)}".${guess} \`authd list\` shows those that there are.`,
      { credential: name.slice(0, 64) },
    );
  }

  hasLoaded(name: string): boolean {
    return this.#credentials.has(name);
  }

  /** Also true for one whose file is broken. */
  hasAny(name: string): boolean {
    return this.#credentials.has(name) || this.#broken.has(name);
  }

  /** True if programs are kept from it; also if its files are broken or gone, until a person removes it. */
  isGuarded(name: string): boolean {
    return this.#credentials.get(name)?.isRestricted || this.#deps.vault.isGuarded(name);
  }

  /** One that programs are kept from; undefined if there is none. */
  anyGuarded(): string | undefined {
    return (
      this.all().find(({ isRestricted }) => isRestricted)?.name ?? this.#deps.vault.anyGuarded()
    );
  }

  /** Those whose files are broken included. */
  names(): string[] {
    return [...this.#credentials.keys(), ...this.#broken.keys()];
  }

  infos(): CredentialInfo[] {
    return [...this.each()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** In no order, each as it is when its turn comes: with 10,000 of them not all at once. */
  *each(): Generator<CredentialInfo> {
    for (const credential of this.#credentials.values()) yield credential.info();
    const now = this.#deps.clock.wall();
    for (const [name, error] of this.#broken) yield brokenInfo(name, error, now);
  }

  info(name: string): CredentialInfo {
    const broken = this.#broken.get(name);
    return broken ? brokenInfo(name, broken, this.#deps.clock.wall()) : this.get(name).info();
  }

  /**
   * Takes over a configuration; names what changed. A file with a mistake closes its credential until
   * it is mended, one that is gone takes its credential along (its sealed record stays).
   */
  apply({ credentials, errors }: Configuration): string[] {
    const changed: string[] = [];
    const knownBroken = new Set(this.#broken.keys());
    this.#broken.clear();
    for (const { credential, file, message } of errors) {
      if (credential === undefined) continue;
      const error = brokenFile(credential, file, message);
      const known = this.#credentials.get(credential);
      if (known) {
        if (!known.isFileBroken) changed.push(credential);
        known.closeFile(error);
        continue;
      }
      this.#broken.set(credential, error);
      const before = knownBroken.has(credential) ? ({ before: "damaged" } as const) : {};
      const reason = "credential_damaged";
      this.#deps.onEvent({ kind: "state", credential, state: "damaged", ...before, reason });
    }
    for (const settings of credentials.values()) {
      const known = this.#credentials.get(settings.name);
      const isSame = known && JSON.stringify(known.settings) === JSON.stringify(settings);
      if (isSame && !known.isFileBroken) continue;
      if (known) known.applySettings(settings);
      else this.add(settings);
      changed.push(settings.name);
    }
    const kept = new Set(errors.map(({ credential }) => credential));
    for (const name of [...this.#credentials.keys()]) {
      if (credentials.has(name) || kept.has(name)) continue;
      this.#detach(name);
      changed.push(name);
    }
    return changed;
  }

  /** Closes every credential until the next configuration: a file that concerns all has a mistake. */
  closeAll(file: string, message: string): string[] {
    const open = this.all().filter(({ isFileBroken }) => !isFileBroken);
    for (const each of this.all()) each.closeFile(brokenFile(each.name, file, message));
    return open.map(({ name }) => name);
  }

  /** No credential can be used any more, for the reason that `error` tells, until `loadAll` or what this returns. */
  pauseAll(error: AuthdError): () => void {
    const resume = this.all().map((credential) => credential.pause(error));
    return () => {
      for (const each of resume) each();
    };
  }

  /** Reads every sealed record again: after the vault was unlocked. */
  loadAll(): void {
    for (const credential of this.#credentials.values()) credential.load();
    this.tick();
  }

  /** How many are in each state, those with broken files included: cheaper than `infos`. */
  states(): Partial<Record<State, number>> {
    const states: Partial<Record<State, number>> = {};
    const count = (state: State, more: number) => {
      if (more > 0) states[state] = (states[state] ?? 0) + more;
    };
    for (const credential of this.#credentials.values()) count(credential.state(), 1);
    count("damaged", this.#broken.size);
    return states;
  }

  /** Those that may need a person, now or on some day. */
  needingAttention(): CredentialInfo[] {
    const suspects = this.all().filter((credential) => credential.needsAttention);
    const names = [...suspects.map(({ name }) => name), ...this.#broken.keys()].sort();
    return names.map((name) => this.info(name));
  }

  /** Names of those that are in memory only. */
  get unsaved(): string[] {
    return this.all().flatMap(({ name, unsaved }) => (unsaved ? [name] : []));
  }

  /** Seals what can be read and has no sealed file: the vault's folder was removed. */
  sealMissing(there: readonly string[]): void {
    const known = new Set(there);
    for (const credential of this.#credentials.values()) {
      if (!known.has(credential.name) && !credential.unsaved) void credential.seal();
    }
  }

  /** Tries once more to seal what is in memory only. Returns what still is, by name. */
  async sealAgain(): Promise<ReadonlyMap<string, Unsaved>> {
    const behind = this.#withDetached().filter(({ unsaved }) => unsaved);
    await Promise.all(behind.map((credential) => credential.seal()));
    return new Map(
      behind.flatMap(({ name, unsaved }) => (unsaved ? [[name, unsaved] as const] : [])),
    );
  }

  all(): Credential[] {
    return [...this.#credentials.values()];
  }

  #withDetached(): Credential[] {
    return this.#detached.size === 0 ? this.all() : [...this.all(), ...this.#detached.values()];
  }

  /** Adds a credential, reading its sealed record; one whose file was gone goes on. */
  add(settings: CredentialSettings): Credential {
    const detached = this.#detached.get(settings.name);
    this.#detached.delete(settings.name);
    detached?.applySettings(settings);
    const credential = detached ?? new Credential(settings, this.#deps);
    this.#credentials.set(settings.name, credential);
    this.#broken.delete(settings.name);
    this.#deadlines.set(settings.name, Number.POSITIVE_INFINITY);
    credential.load();
    return credential;
  }

  delete(name: string): void {
    this.dropDetached(name);
    this.#credentials.get(name)?.retire();
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#credentials.delete(name);
    this.#deadlines.delete(name);
    this.#broken.delete(name);
  }

  /** Its file is gone. What a request under way brings is sealed all the same. */
  #detach(name: string): void {
    const credential = this.#credentials.get(name);
    if (!credential?.hasToSeal) {
      this.delete(name);
      return;
    }
    credential.detach();
    this.#detached.set(name, credential);
    this.#forget(name);
  }

  /** Nothing more is sealed for one by this name whose file is gone: another is about to take its place. */
  dropDetached(name: string): void {
    this.#detached.get(name)?.retire();
    this.#detached.delete(name);
  }

  /**
   * Starts all that is due and sleeps until the next deadline. Now and then, and after a clock jump,
   * every credential is looked at; in between those alone whose time has come: of 10,000 that are
   * in use, one is due every few milliseconds.
   */
  tick(): void {
    if (this.#closed) return;
    const { time, clock } = this.#deps;
    time.now();
    const now = time.sample();
    const jumped = time.jumps !== this.#jumpsSeen;
    this.#jumpsSeen = time.jumps;
    if (jumped) this.#deps.onEvent({ kind: "clock_jumped", message: describeJump(time.jumpedBy) });
    const all = jumped || now.boot - this.#sweptAt >= SWEEP_INTERVAL_MS;
    if (all) this.#sweptAt = now.boot;
    const delay = jumped ? () => clock.random() * SPREAD_MS : () => 0;
    for (const name of all ? this.#credentials.keys() : this.#deadlines.takeDue(now.boot)) {
      const credential = this.#credentials.get(name);
      if (!credential) continue;
      if (jumped) credential.clockJumped();
      credential.runDue(now, delay);
      this.#deadlines.set(name, credential.nextDeadline(now));
    }
    this.#sealDetached(now.boot);
    this.#setTimer(this.#deadlines.next);
    this.#onTick();
  }

  #sealDetached(now: number): void {
    for (const credential of this.#detached.values()) {
      if (credential.hasToSeal) credential.saveAgain(now);
      else this.dropDetached(credential.name);
    }
  }

  /** Has the timer ring at this boot time at the latest, once: to be asked for again with each ring. */
  wakeBy(boot: number): void {
    if (boot < this.#armedFor) this.#setTimer(boot);
  }

  /** Nothing is started by itself after this. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** What moved to later is found out when its old time has come. */
  #rearm(name: string, deadline: number): void {
    const due = this.#deadlines.get(name);
    if (due !== undefined && deadline < due) this.#deadlines.set(name, deadline);
    if (deadline < this.#armedFor) this.#setTimer(deadline);
  }

  #setTimer(deadline: number): void {
    if (this.#closed) return;
    const now = this.#deps.time.now().boot;
    const sleep = Math.min(Math.max(deadline - now, 0), MAX_SLEEP_MS);
    this.#timer?.cancel();
    this.#armedFor = now + sleep;
    this.#timer = this.#deps.clock.schedule(sleep, () => this.tick());
  }
}

/** Sleep and a clock that was set look alike here, and are treated alike. */
function describeJump(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  return ms >= 0
    ? `the machine slept, or its clock was set ahead: ${seconds} s`
    : `the clock was set back: ${seconds} s`;
}

function brokenFile(name: string, file: string, message: string): AuthdError {
  return new AuthdError(
    "credential_damaged",
    `${name}: ${file}, ${message} Mend it, then run: authd reload`,
    { credential: name },
  );
}
