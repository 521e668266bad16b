import type { Timer } from "./clock.ts";
import { brokenInfo } from "./credential/info.ts";
import type { Surroundings } from "./credential/surroundings.ts";
import { Credential } from "./credential.ts";
import { AuthdError } from "./errors.ts";
import type { CredentialInfo } from "./protocol.ts";
import type { Configuration, CredentialSettings } from "./settings.ts";
import { didYouMean } from "./suggest.ts";

/** Longest sleep of the timer, ms: what survives 32-bit overflow, suspend and clock steps. */
const LONGEST_SLEEP = 30_000;
/** After a clock jump, renewals that can wait are spread over this, ms. */
const SPREAD = 5_000;

/** Name → Credential, and the daemon's one timer. */
export class Registry {
  readonly #credentials = new Map<string, Credential>();
  /** Why the files of credentials that never worked since the start can't be used. */
  readonly #broken = new Map<string, AuthdError>();
  readonly #around: Surroundings;
  readonly #onTick: () => void;
  #timer: Timer | undefined;
  /** Boot time at which the timer rings. */
  #armedFor = Number.POSITIVE_INFINITY;
  #jumpsSeen = 0;
  #closed = false;

  /** `onTick` is called with every ring, at least every 30 s. */
  constructor(around: Omit<Surroundings, "rearm">, onTick: () => void = () => {}) {
    this.#around = { ...around, rearm: (deadline) => this.#rearm(deadline) };
    this.#onTick = onTick;
    this.#jumpsSeen = around.time.jumps;
  }

  /** Those whose files are broken included. */
  get size(): number {
    return this.#credentials.size + this.#broken.size;
  }

  /** Token requests under way or waiting for their turn. */
  get flights(): number {
    return this.all().reduce((sum, credential) => sum + credential.flights, 0);
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

  has(name: string): boolean {
    return this.#credentials.has(name);
  }

  /** Also true for one whose file is broken. */
  knows(name: string): boolean {
    return this.#credentials.has(name) || this.#broken.has(name);
  }

  infos(): CredentialInfo[] {
    const broken = [...this.#broken].map(([name, error]) =>
      brokenInfo(name, error, this.#around.clock.wall()),
    );
    return [...this.all().map((credential) => credential.info()), ...broken].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  info(name: string): CredentialInfo {
    const broken = this.#broken.get(name);
    return broken ? brokenInfo(name, broken, this.#around.clock.wall()) : this.get(name).info();
  }

  /**
   * Takes over a configuration; names what changed. A file that is broken leaves its credential as
   * it was, one that is gone takes its credential along (its sealed record stays).
   */
  apply({ credentials, errors }: Configuration): string[] {
    const changed: string[] = [];
    this.#broken.clear();
    for (const { credential, file, message } of errors) {
      if (credential === undefined || this.#credentials.has(credential)) continue;
      this.#broken.set(credential, brokenFile(credential, file, message));
    }
    for (const settings of credentials.values()) {
      const known = this.#credentials.get(settings.name);
      if (known && JSON.stringify(known.settings) === JSON.stringify(settings)) continue;
      if (known) known.update(settings);
      else this.add(settings);
      changed.push(settings.name);
    }
    const kept = new Set(errors.map(({ credential }) => credential));
    for (const name of [...this.#credentials.keys()]) {
      if (credentials.has(name) || kept.has(name)) continue;
      this.delete(name);
      changed.push(name);
    }
    return changed;
  }

  /** Reads every sealed record again: after the vault was unlocked. */
  loadAll(): void {
    for (const credential of this.#credentials.values()) credential.load();
    this.tick();
  }

  all(): Credential[] {
    return [...this.#credentials.values()];
  }

  /** Adds a credential, reading its sealed record. */
  add(settings: CredentialSettings): Credential {
    const credential = new Credential(settings, this.#around);
    this.#credentials.set(settings.name, credential);
    this.#broken.delete(settings.name);
    credential.load();
    return credential;
  }

  delete(name: string): void {
    this.#credentials.get(name)?.retire();
    this.#credentials.delete(name);
    this.#broken.delete(name);
  }

  /** Starts all that is due and sleeps until the next deadline. */
  tick(): void {
    if (this.#closed) return;
    const { time, clock } = this.#around;
    time.now();
    const now = time.sample();
    const jumped = time.jumps !== this.#jumpsSeen;
    this.#jumpsSeen = time.jumps;
    const delay = jumped ? () => clock.random() * SPREAD : () => 0;
    let next = Number.POSITIVE_INFINITY;
    for (const credential of this.#credentials.values()) {
      if (jumped) credential.clockJumped();
      credential.runDue(now, delay);
      next = Math.min(next, credential.nextDeadline(now));
    }
    this.#onTick();
    this.#arm(next);
  }

  /** Nothing is started by itself after this. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #rearm(deadline: number): void {
    if (deadline < this.#armedFor) this.#arm(deadline);
  }

  #arm(deadline: number): void {
    if (this.#closed) return;
    const now = this.#around.time.now().boot;
    const sleep = Math.min(Math.max(deadline - now, 0), LONGEST_SLEEP);
    this.#timer?.cancel();
    this.#armedFor = now + sleep;
    this.#timer = this.#around.clock.schedule(sleep, () => this.tick());
  }
}

function brokenFile(name: string, file: string, message: string): AuthdError {
  return new AuthdError(
    "credential_damaged",
    `${name}: ${file}, ${message} Mend it, then run: authd reload`,
    { credential: name },
  );
}
