import { type Clock, scheduleLong, type Timer } from "../base/clock.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
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
import {
  auditProblem,
  lockedVault,
  manifestProblem,
  needsPerson,
  nextWarningAt,
  problemsOf,
  secretWarning,
} from "./problems.ts";
import { WakeAt } from "./wake-at.ts";

/** Delay between an event and the check of its credential: some states pass quickly. */
const CHECK_DELAY_MS = 50;
/** Time for which problems are gathered for one desktop notification. */
export const GATHER_MS = 2_000;
/** Time between two desktop notifications at least. */
export const MIN_INTERVAL_MS = 60_000;
/** Time after which a locked vault is a problem: at login the keychain becomes available a little later. */
export const VAULT_UNLOCK_GRACE_MS = 60_000;
/** Interval at which all credentials are checked, should an event have told too little. */
const FULL_CHECK_INTERVAL_MS = 3_600_000;

/** Events after which the credential is checked. */
const CHECKED_AFTER: ReadonlySet<EventKind> = new Set([
  "added",
  "set",
  "trusted",
  "tested",
  "token_file",
  "refresh_failed",
  "unsaved",
  "sealed",
]);
/** Problems that last until the credential is ready: a new secret resolves them once it has worked. */
const UNTIL_READY: ReadonlySet<ProblemReason> = new Set(["login_required", "credential_rejected"]);

export interface AlertsOptions {
  clock: Clock;
  notified: NotifiedProblems;
  /** Returns undefined if there is no such credential. */
  info(name: string): CredentialInfo | undefined;
  /** Names of credentials that may need a person, now or later. */
  needingAttention(): Iterable<string>;
  /** False while credentials are still being read after a start. */
  isComplete(): boolean;
  emit(event: EventPayload): void;
  runHook(event: HookEvent): void;
  /** Shows one desktop notification about all these problems. */
  notify(problems: readonly Problem[]): void;
}

/**
 * Reports each problem once, also across restarts: one run of the hook per problem, one desktop
 * notification for several. A problem is reported again only after it was resolved.
 */
export class Alerts {
  readonly #options: AlertsOptions;
  /** Open problems by credential ("": the daemon) and reason. */
  readonly #open = new Map<string, Map<ProblemReason, Problem>>();
  readonly #toCheck = new Set<string>();
  /** Problems for the next desktop notification. */
  #unshown: Problem[] = [];
  #checkTimer: Timer | undefined;
  #notifyTimer: Timer | undefined;
  #vaultTimer: Timer | undefined;
  /** The next date at which the end of a secret or a refresh token is near, or has come. */
  readonly #nextDate: WakeAt;
  /** Monotonic time, ms. */
  #allCheckedAtMs = Number.NEGATIVE_INFINITY;
  /** Monotonic time (ms) before which no notification is shown. */
  #notifyNotBeforeMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: AlertsOptions) {
    this.#options = options;
    this.#nextDate = new WakeAt(options.clock, () => this.checkAll());
    // Problems from before this start that are over by now are resolved by their check.
    for (const key of options.notified.keys()) {
      const [name = "", reason = "", isOver] = key.split(" ");
      if (isOver !== undefined) continue;
      // A rebuilt manifest is a problem of the run that found it only.
      if (reason === "manifest") {
        options.notified.delete(key);
        continue;
      }
      if (name !== "") this.#checkSoon(name);
      this.#problemsFor(name).set(
        reason as ProblemReason,
        placeholder(name, reason as ProblemReason),
      );
    }
  }

  onEvent(event: EventPayload): void {
    if (this.#closed) return;
    const { credential } = event;
    if (credential === undefined) this.#onDaemonEvent(event);
    else if (event.kind === "removed") this.#resolveAll(credential);
    else if (this.#open.has(credential) || mayNeedPerson(event)) this.#checkSoon(credential);
  }

  #onDaemonEvent({ kind, message = "", wanted }: EventPayload): void {
    if (kind === "vault_locked" && !wanted) this.#onVaultLocked(message);
    else if (kind === "vault_unlocked") this.#onVaultUnlocked();
    else if (kind === "manifest_rebuilt" && !wanted) this.#raise(manifestProblem(message));
    else if (kind === "audit_failed") this.#raise(auditProblem(message));
    else if (kind === "audit_written") this.#resolveReason("audit");
    else if (kind === "reloaded") this.checkAll();
  }

  /** Reports a problem of the hook or the store; undefined: there is none of it. */
  onDaemonProblem(reason: "hook" | "store", problem: Problem | undefined): void {
    if (this.#closed) return;
    if (problem) this.#raise(problem);
    else this.#resolveReason(reason);
  }

  /** Called with each tick of the registry's timer. */
  tick(): void {
    this.#nextDate.look();
    const now = this.#options.clock.monotonic();
    if (now - this.#allCheckedAtMs < FULL_CHECK_INTERVAL_MS) return;
    this.#allCheckedAtMs = now;
    for (const name of this.#options.needingAttention()) this.#checkSoon(name);
  }

  /** Checks all credentials: after a reload, an unlock, or at a date. */
  checkAll(): void {
    this.#allCheckedAtMs = Number.NEGATIVE_INFINITY;
    for (const name of this.#open.keys()) if (name !== "") this.#checkSoon(name);
    this.tick();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#nextDate.cancel();
    for (const timer of [this.#checkTimer, this.#notifyTimer, this.#vaultTimer]) timer?.cancel();
    await this.#options.notified.settled();
  }

  #problemsFor(name: string): Map<ProblemReason, Problem> {
    const known = this.#open.get(name);
    if (known) return known;
    const made = new Map<ProblemReason, Problem>();
    this.#open.set(name, made);
    return made;
  }

  // ---- one credential ----

  #checkSoon(name: string): void {
    if (this.#closed) return;
    this.#toCheck.add(name);
    this.#checkTimer ??= this.#options.clock.schedule(CHECK_DELAY_MS, () => {
      this.#checkTimer = undefined;
      const names = [...this.#toCheck];
      this.#toCheck.clear();
      for (const each of names) this.#check(each);
    });
  }

  #check(name: string): void {
    const { clock } = this.#options;
    const info = this.#options.info(name);
    if (!info) this.#resolveAll(name);
    // A credential in a locked vault tells nothing.
    if (!info || info.state === "locked") return;
    const now = clock.wall();
    this.#nextDate.note(nextWarningAt(info, now));
    const problems = problemsOf(info, now);
    const reasons = new Set(problems.map(({ reason }) => reason));
    for (const known of [...(this.#open.get(name)?.values() ?? [])]) {
      if (reasons.has(known.reason)) continue;
      if (needsPerson(info.state)) this.#drop(known);
      else if (!UNTIL_READY.has(known.reason) || isWell(info)) this.#resolve(known, info.state);
    }
    const isOver = secretWarning(info, now)?.over;
    for (const problem of problems) {
      this.#raise(problem, info.state, isOver && problem.reason === "secret_expires");
    }
  }

  /** `isOver`: a date has come, which is told beside the warning that it would. */
  #raise(problem: Problem, state?: State, isOver = false): void {
    const { notified, emit, runHook } = this.#options;
    const { credential, reason, message } = problem;
    const open = this.#problemsFor(credential ?? "");
    const key = problemKey(problem);
    const isKnown = open.has(reason) && (!isOver || notified.has(overKey(key)));
    open.set(reason, problem);
    if (isKnown) return;
    notified.add(key);
    if (isOver) notified.add(overKey(key));
    emit({ kind: "problem", reason, message, ...omitUndefined({ credential }) });
    // A hook that fails can't tell so.
    if (reason !== "hook") runHook({ event: "problem", problem, state });
    this.#unshown.push(problem);
    this.#notifySoon();
  }

  #resolve(problem: Problem, state?: State): void {
    const { emit, runHook } = this.#options;
    const { credential, reason } = problem;
    this.#drop(problem);
    emit({ kind: "resolved", reason, ...omitUndefined({ credential }) });
    if (reason !== "hook") runHook({ event: "resolved", problem: { ...problem, help: "" }, state });
  }

  #drop(problem: Problem): void {
    const { credential = "", reason } = problem;
    const open = this.#open.get(credential);
    open?.delete(reason);
    if (open?.size === 0) this.#open.delete(credential);
    this.#options.notified.delete(problemKey(problem));
    this.#options.notified.delete(overKey(problemKey(problem)));
    this.#unshown = this.#unshown.filter((one) => problemKey(one) !== problemKey(problem));
  }

  #resolveAll(name: string): void {
    for (const problem of [...(this.#open.get(name)?.values() ?? [])]) this.#resolve(problem);
  }

  // ---- the daemon ----

  #onVaultLocked(why: string): void {
    this.#vaultTimer?.cancel();
    this.#vaultTimer = scheduleLong(this.#options.clock, VAULT_UNLOCK_GRACE_MS, () =>
      this.#raise(lockedVault(why)),
    );
  }

  #onVaultUnlocked(): void {
    this.#vaultTimer?.cancel();
    this.#resolveReason("vault_locked");
    this.checkAll();
  }

  #resolveReason(reason: ProblemReason): void {
    const problem = this.#open.get("")?.get(reason);
    if (problem) this.#resolve(problem);
  }

  // ---- the desktop ----

  #notifySoon(): void {
    if (this.#notifyTimer || this.#closed) return;
    const { clock, notify, isComplete } = this.#options;
    const show = () => {
      this.#notifyTimer = undefined;
      const problems = this.#unshown.splice(0);
      if (problems.length === 0) return;
      this.#notifyNotBeforeMs = clock.monotonic() + MIN_INTERVAL_MS;
      notify(problems);
    };
    const delayMs = Math.max(GATHER_MS, this.#notifyNotBeforeMs - clock.monotonic());
    this.#notifyTimer = scheduleLong(clock, delayMs, () => {
      this.#notifyTimer = undefined;
      if (!isComplete()) this.#notifySoon();
      // What is being checked now belongs to the same notification.
      else if (this.#checkTimer) this.#notifyTimer = clock.schedule(CHECK_DELAY_MS, show);
      else show();
    });
  }
}

/** True if the credential may need a person after this event. */
function mayNeedPerson({ kind, state, message }: EventPayload): boolean {
  // A token came, and something about it is not right.
  if (kind === "refreshed" && message !== undefined) return true;
  return CHECKED_AFTER.has(kind) || (state !== undefined && needsPerson(state));
}

/** False while new secrets are tried. */
function isWell({ state, candidate }: CredentialInfo): boolean {
  return state === "ready" && candidate === undefined;
}

function problemKey({ credential = "", reason }: Problem): string {
  return `${credential} ${reason}`;
}

/** Key of the note that a date has come of which problem `key` warned. */
function overKey(key: string): string {
  return `${key} over`;
}

/** Stands for a problem that was reported before this start, until the credential is checked. */
function placeholder(name: string, reason: ProblemReason): Problem {
  const message = name === "" ? "from before this start" : `${name}: from before this start`;
  return { ...omitUndefined({ credential: name || undefined }), reason, message, help: "" };
}
