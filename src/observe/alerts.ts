import type { Clock, Timer } from "../base/clock.ts";
import type {
  CredentialInfo,
  EventKind,
  EventPayload,
  Problem,
  ProblemReason,
  State,
} from "../protocol.ts";
import type { HookEvent } from "./hook.ts";
import type { NotifiedProblems } from "./notified-problems.ts";
import { auditProblem, lockedVault, manifestProblem, needsPerson, problemsOf } from "./problems.ts";

/** A credential is looked at so long (ms) after something happened to it: states pass quickly. */
const CHECK_DELAY_MS = 50;
/** Notes on the desktop wait so long (ms) for others of their kind, and come so far apart at least. */
export const GATHER_MS = 2_000;
export const MIN_INTERVAL_MS = 60_000;
/** A locked vault is a problem after this (ms): at login the keychain comes a little later. */
export const VAULT_UNLOCK_GRACE_MS = 60_000;
/** All are looked at so often (ms): the day on which a secret runs out comes without an event. */
const FULL_CHECK_INTERVAL_MS = 3_600_000;
const MAX_SLEEP_MS = 30_000;

const CHECKED_AFTER: ReadonlySet<EventKind> = new Set([
  "added",
  "set",
  "trusted",
  "unsaved",
  "sealed",
]);
/** A new secret is no solution before it has worked. */
const UNTIL_READY: ReadonlySet<ProblemReason> = new Set(["login_required", "credential_rejected"]);

export interface AlertsOptions {
  clock: Clock;
  told: NotifiedProblems;
  /** Undefined: there is no such credential. */
  look(name: string): CredentialInfo | undefined;
  /** Those that may need a person, now or on some day. */
  suspects(): Iterable<string>;
  onEvent(happened: EventPayload): void;
  /** Runs the hook. */
  run(occasion: HookEvent): void;
  /** Shows one note about all of them. */
  show(problems: readonly Problem[]): void;
}

/**
 * Notices what needs a person, and says so once: to the hook each for itself, to the desktop all
 * together. The same is said again only if it was over in between, restarts included.
 */
export class Alerts {
  readonly #options: AlertsOptions;
  /** By credential ("": the daemon) and reason. */
  readonly #open = new Map<string, Map<ProblemReason, Problem>>();
  readonly #toLookAt = new Set<string>();
  /** For the next note. */
  #unshown: Problem[] = [];
  #lookTimer: Timer | undefined;
  #noteTimer: Timer | undefined;
  #vaultTimer: Timer | undefined;
  /** Monotonic clock. */
  #lookedAtAll = Number.NEGATIVE_INFINITY;
  #nextNote = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: AlertsOptions) {
    this.#options = options;
    // What was said before this start, and is over by now, is resolved when it is looked at.
    for (const key of options.told.keys()) {
      const [name = "", reason = ""] = key.split(" ");
      // It is told of in the run of the daemon that found it, and in no other.
      if (reason === "manifest") {
        options.told.delete(key);
        continue;
      }
      if (name !== "") this.#lookAt(name);
      this.#of(name).set(reason as ProblemReason, placeholder(name, reason as ProblemReason));
    }
  }

  hear({ kind, credential, state, message, wanted, retryAt }: EventPayload): void {
    if (this.#closed) return;
    if (kind === "vault_locked" && wanted) return;
    else if (kind === "vault_locked") this.#watchVault(message ?? "");
    else if (kind === "vault_unlocked") this.#vaultIsOpen();
    else if (kind === "manifest_rebuilt" && !wanted) this.#raise(manifestProblem(message ?? ""));
    else if (kind === "audit_failed") this.#raise(auditProblem(message ?? ""));
    else if (kind === "audit_written") this.#auditIsWritten();
    else if (credential === undefined) return;
    else if (kind === "removed") this.#forget(credential);
    else if (CHECKED_AFTER.has(kind) || this.#open.has(credential)) this.#lookAt(credential);
    else if (state !== undefined && needsPerson(state)) this.#lookAt(credential);
    // Not tried again. New secrets are refused while the credential's state stays.
    else if (kind === "refresh_failed" && retryAt === undefined) this.#lookAt(credential);
  }

  /** Called now and then. */
  tick(): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#lookedAtAll < FULL_CHECK_INTERVAL_MS) return;
    this.#lookedAtAll = now;
    for (const name of this.#options.suspects()) this.#lookAt(name);
  }

  /** After the settings were read again. */
  lookAgain(): void {
    this.#lookedAtAll = Number.NEGATIVE_INFINITY;
    for (const name of this.#open.keys()) if (name !== "") this.#lookAt(name);
    this.tick();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#lookTimer, this.#noteTimer, this.#vaultTimer]) timer?.cancel();
    await this.#options.told.settled();
  }

  #of(name: string): Map<ProblemReason, Problem> {
    const known = this.#open.get(name);
    if (known) return known;
    const made = new Map<ProblemReason, Problem>();
    this.#open.set(name, made);
    return made;
  }

  // ---- one credential ----

  #lookAt(name: string): void {
    if (this.#closed) return;
    this.#toLookAt.add(name);
    this.#lookTimer ??= this.#options.clock.schedule(CHECK_DELAY_MS, () => {
      this.#lookTimer = undefined;
      const names = [...this.#toLookAt];
      this.#toLookAt.clear();
      for (const each of names) this.#look(each);
    });
  }

  #look(name: string): void {
    const { clock, look } = this.#options;
    const info = look(name);
    if (!info) this.#forget(name);
    // Of what is behind a locked vault nothing is known.
    if (!info || info.state === "locked") return;
    const problems = problemsOf(info, clock.wall());
    const reasons = new Set(problems.map(({ reason }) => reason));
    for (const known of [...(this.#open.get(name)?.values() ?? [])]) {
      if (reasons.has(known.reason)) continue;
      if (needsPerson(info.state)) this.#drop(known);
      else if (!UNTIL_READY.has(known.reason) || isWell(info)) this.#resolve(known, info.state);
    }
    for (const problem of problems) this.#raise(problem, info.state);
  }

  #raise(problem: Problem, state?: State): void {
    const { told, onEvent, run } = this.#options;
    const { credential, reason, message } = problem;
    const open = this.#of(credential ?? "");
    const isKnown = open.has(reason);
    open.set(reason, problem);
    if (isKnown) return;
    told.add(problemKey(problem));
    onEvent({ kind: "problem", reason, message, ...(credential ? { credential } : {}) });
    run({ event: "problem", problem, state });
    this.#unshown.push(problem);
    this.#noteSoon();
  }

  #resolve(problem: Problem, state?: State): void {
    const { onEvent, run } = this.#options;
    const { credential, reason } = problem;
    this.#drop(problem);
    onEvent({ kind: "resolved", reason, ...(credential ? { credential } : {}) });
    run({ event: "resolved", problem: { ...problem, help: "" }, state });
  }

  #drop(problem: Problem): void {
    const { credential = "", reason } = problem;
    const open = this.#open.get(credential);
    open?.delete(reason);
    if (open?.size === 0) this.#open.delete(credential);
    this.#options.told.delete(problemKey(problem));
    this.#unshown = this.#unshown.filter((one) => problemKey(one) !== problemKey(problem));
  }

  /** It is there no more, and so are its problems. */
  #forget(name: string): void {
    for (const problem of [...(this.#open.get(name)?.values() ?? [])]) this.#resolve(problem);
  }

  // ---- the vault ----

  #watchVault(why: string): void {
    const { clock } = this.#options;
    const due = clock.monotonic() + VAULT_UNLOCK_GRACE_MS;
    const wait = () => {
      const left = due - clock.monotonic();
      if (left <= 0) return this.#raise(lockedVault(why));
      this.#vaultTimer = clock.schedule(Math.min(left, MAX_SLEEP_MS), wait);
    };
    wait();
  }

  #vaultIsOpen(): void {
    this.#vaultTimer?.cancel();
    const problem = this.#open.get("")?.get("vault_locked");
    if (problem) this.#resolve(problem);
    for (const name of this.#open.keys()) if (name !== "") this.#lookAt(name);
  }

  #auditIsWritten(): void {
    const problem = this.#open.get("")?.get("audit");
    if (problem) this.#resolve(problem);
  }

  // ---- the desktop ----

  #noteSoon(): void {
    if (this.#noteTimer || this.#closed) return;
    const { clock } = this.#options;
    const now = clock.monotonic();
    const due = Math.max(now + GATHER_MS, this.#nextNote);
    const wait = () => {
      const left = due - clock.monotonic();
      if (left > 0) {
        this.#noteTimer = clock.schedule(Math.min(left, MAX_SLEEP_MS), wait);
        return;
      }
      this.#noteTimer = undefined;
      const problems = this.#unshown.splice(0);
      if (problems.length === 0) return;
      this.#nextNote = clock.monotonic() + MIN_INTERVAL_MS;
      this.#options.show(problems);
    };
    wait();
  }
}

/** New secrets that are only being tried are no solution either. */
function isWell({ state, candidate }: CredentialInfo): boolean {
  return state === "ready" && candidate === undefined;
}

function problemKey({ credential = "", reason }: Problem): string {
  return `${credential} ${reason}`;
}

/** One that was told of before this start; how it is now is found out. */
function placeholder(name: string, reason: ProblemReason): Problem {
  const message = name === "" ? "from before this start" : `${name}: from before this start`;
  return { ...(name === "" ? {} : { credential: name }), reason, message, help: "" };
}
