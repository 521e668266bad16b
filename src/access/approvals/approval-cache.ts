import type { Clock } from "../../base/clock.ts";
import { isLauncher } from "../../base/interpreter.ts";
import type { ApprovalAnswer } from "../../protocol.ts";
import type { Question } from "../access.ts";
import type { Identity } from "../identity/identity.ts";

/** Answer of a person. It says for how long a yes holds; `always` is written as a rule. */
export type Answer = ApprovalAnswer;

const HOUR_MS = 3_600_000;
/** Time for which a no holds for the process that asked, so that a person is not asked again and again. */
const DENIAL_HOLDS_MS = 60_000;
/** Limit of answers that are kept: the oldest go first. */
const MAX_ANSWERS = 1_000;

/**
 * Returns the answers that a person may choose from, beside no. For an interpreter, or a program that
 * is not known, a yes holds for one process at most; for a launcher, which starts everybody's programs,
 * for one request.
 */
export function choicesFor({ confirm, kind, identity, isInterpreter }: Question): Answer[] {
  const { actor } = identity;
  const single = confirm === "always" || kind === "change" || kind === "refresh";
  if (single || !actor || isLauncher(actor)) return ["once"];
  if (actor.executable === undefined || isInterpreter) return ["once", "process"];
  return ["once", "process", "hour", confirm === "session" ? "session" : "always"];
}

/**
 * Returns the key of a question: equal for all that one process wants of one credential under one rule,
 * but for rules with `confirm = "always"`, where each wish is a question of its own.
 */
export function questionKey(question: Question): string {
  return keyFor(question, question.confirm === "always" ? exactlyOf(question) : "");
}

/** Returns a text that is equal for equal wishes only. */
export function exactlyOf({ what, exact }: Question): string {
  return exact ?? what;
}

/** Returns the key of a denial: it covers all wishes of a process, but each change of a credential by itself. */
function denialKey(question: Question): string {
  return keyFor(question, question.kind === "change" ? question.what : "");
}

function keyFor(question: Question, what: string): string {
  return JSON.stringify([...subjectOf(question), what, processKey(question.identity)]);
}

/** Returns a key of the asking process. The start time tells it from a later process with the same pid. */
export function processKey({ actor, peer }: Identity): string {
  return (actor ? [actor.pid, actor.startedAt] : [peer?.uid, peer?.pid]).join(" ");
}

/** Keeps answers for as long as they hold, on the monotonic clock. */
export class ApprovalCache {
  readonly #clock: Clock;
  /** End of each yes (monotonic, ms), by subject and process or program. */
  readonly #yes = new Map<string, number>();
  /** Denials by `denialKey`. */
  readonly #no = new Map<string, { until: number; how: "no" | "none" }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  allows(question: Question): boolean {
    if (question.confirm === "always") return false;
    const now = this.#clock.monotonic();
    return [processAnswerKey(question), programAnswerKey(question)].some(
      (key) => key !== undefined && (this.#yes.get(key) ?? 0) > now,
    );
  }

  denialOf(question: Question): "no" | "none" | undefined {
    const no = this.#no.get(denialKey(question));
    return no && no.until > this.#clock.monotonic() ? no.how : undefined;
  }

  add(question: Question, answer: Answer | "none"): void {
    const now = this.#clock.monotonic();
    const yes = (key: string | undefined, until: number) => {
      if (key !== undefined) setAndEvict(this.#yes, key, until);
    };
    if (answer === "no" || answer === "none") {
      setAndEvict(this.#no, denialKey(question), { until: now + DENIAL_HOLDS_MS, how: answer });
    } else if (answer === "process") yes(processAnswerKey(question), Number.POSITIVE_INFINITY);
    else if (answer === "hour") yes(programAnswerKey(question), now + HOUR_MS);
    else if (answer === "session") yes(programAnswerKey(question), Number.POSITIVE_INFINITY);
  }

  /** Drops the answers about one credential. */
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

/** Sets an entry, and removes the oldest beyond the limit. */
function setAndEvict<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_ANSWERS && oldest !== undefined) map.delete(oldest);
}

/** Returns what an answer is about: it does not hold for another rule. */
function subjectOf({ credential, kind, rule, confirm }: Question): string[] {
  return [credential, kind, rule, confirm];
}

/** Returns the key of a yes for one process; undefined if the process is not known. */
function processAnswerKey(question: Question): string | undefined {
  const { actor } = question.identity;
  return actor && JSON.stringify([...subjectOf(question), actor.pid, actor.startedAt]);
}

/** Returns the key of a yes for a program of one user; undefined for interpreters, and programs not known. */
function programAnswerKey(question: Question): string | undefined {
  const { actor, peer } = question.identity;
  const executable = actor?.executable;
  if (executable === undefined || question.isInterpreter) return undefined;
  return JSON.stringify([...subjectOf(question), executable, peer?.uid ?? null]);
}
