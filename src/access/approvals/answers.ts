import type { Clock } from "../../base/clock.ts";
import { isLauncher } from "../../base/interpreter.ts";
import type { ApprovalAnswer } from "../../protocol.ts";
import type { Question } from "../access.ts";
import type { Identity } from "../identity/identity.ts";

/** For how long a yes holds. `always` is written down as a rule. */
export type Answer = ApprovalAnswer;

const HOUR_MS = 3_600_000;
/** A no, or no answer, holds so long (ms) for the process that asked: nobody is asked again and again. */
const DENIAL_HOLDS_MS = 60_000;
/** Answers that are kept; programs that ask are few. */
const MAX_ANSWERS = 1_000;

/**
 * What a person can say. A program that runs whatever it is told to, or that can't be known, gets its
 * yes as this one process only; what starts everybody's programs, for this once.
 */
export function choicesFor({ confirm, kind, identity, isInterpreter }: Question): Answer[] {
  const { actor } = identity;
  const single = confirm === "always" || kind === "change" || kind === "refresh";
  if (single || !actor || isLauncher(actor)) return ["once"];
  if (actor.executable === undefined || isInterpreter) return ["once", "process"];
  return ["once", "process", "hour", confirm === "session" ? "session" : "always"];
}

/**
 * What is asked by one program about one credential under one rule is one question; each single thing
 * where a person wants to be asked about each.
 */
export function questionKey(question: Question): string {
  return keyFor(question, question.confirm === "always" ? exactlyOf(question) : "");
}

/** Equal for equal wishes only. */
export function exactlyOf({ what, exact }: Question): string {
  return exact ?? what;
}

/** A no is about all that the process may think of next, but for other changes. */
function refusedKeyOf(question: Question): string {
  return keyFor(question, question.kind === "change" ? question.what : "");
}

function keyFor(question: Question, what: string): string {
  return JSON.stringify([...aboutOf(question), what, processKey(question.identity)]);
}

/** The process that asks, so that it is told from all others. */
export function processKey({ actor, peer }: Identity): string {
  return (actor ? [actor.pid, actor.startedAt] : [peer?.uid, peer?.pid]).join(" ");
}

/** Answers that hold for a while, on the monotonic clock. */
export class ApprovalCache {
  readonly #clock: Clock;
  /** By who asks for what, until when it is a yes. */
  readonly #yes = new Map<string, number>();
  readonly #no = new Map<string, { until: number; how: "no" | "none" }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  allows(question: Question): boolean {
    if (question.confirm === "always") return false;
    const now = this.#clock.monotonic();
    return [byProcess(question), byProgram(question)].some(
      (key) => key !== undefined && (this.#yes.get(key) ?? 0) > now,
    );
  }

  refusalOf(question: Question): "no" | "none" | undefined {
    const no = this.#no.get(refusedKeyOf(question));
    return no && no.until > this.#clock.monotonic() ? no.how : undefined;
  }

  note(question: Question, answer: Answer | "none"): void {
    const now = this.#clock.monotonic();
    const yes = (key: string | undefined, until: number) => {
      if (key !== undefined) evictOldest(this.#yes, key, until);
    };
    if (answer === "no" || answer === "none") {
      evictOldest(this.#no, refusedKeyOf(question), { until: now + DENIAL_HOLDS_MS, how: answer });
    } else if (answer === "process") yes(byProcess(question), Number.POSITIVE_INFINITY);
    else if (answer === "hour") yes(byProgram(question), now + HOUR_MS);
    else if (answer === "session") yes(byProgram(question), Number.POSITIVE_INFINITY);
  }

  /** Of one credential: its rules are others now. */
  forget(credential: string): void {
    const isAbout = (key: string) => (JSON.parse(key) as unknown[])[0] === credential;
    for (const map of [this.#yes, this.#no]) {
      for (const key of [...map.keys()]) if (isAbout(key)) map.delete(key);
    }
  }

  clear(): void {
    this.#yes.clear();
    this.#no.clear();
  }
}

/** The one that was noted first goes. */
function evictOldest<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_ANSWERS && oldest !== undefined) map.delete(oldest);
}

/** An answer under one rule says nothing about what another rule is for. */
function aboutOf({ credential, kind, rule, confirm }: Question): string[] {
  return [credential, kind, rule, confirm];
}

/** A pid alone would be another process's one day. */
function byProcess(question: Question): string | undefined {
  const { actor } = question.identity;
  return actor && JSON.stringify([...aboutOf(question), actor.pid, actor.startedAt]);
}

function byProgram(question: Question): string | undefined {
  const { actor, peer } = question.identity;
  const executable = actor?.executable;
  if (executable === undefined || question.isInterpreter) return undefined;
  // One user's yes is none for the same program of another user.
  return JSON.stringify([...aboutOf(question), executable, peer?.uid ?? null]);
}
