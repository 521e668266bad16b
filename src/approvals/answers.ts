import type { Question } from "../access.ts";
import type { Clock } from "../clock.ts";
import { isInterpreter } from "../interpreter.ts";

/** For how long a yes holds. `always` is written down as a rule. */
export type Answer = "once" | "process" | "hour" | "session" | "always" | "no";

const HOUR = 3_600_000;
/** A no, or no answer, holds so long (ms) for the process that asked: nobody is asked again and again. */
const NO_HOLDS = 60_000;
/** Answers that are kept; programs that ask are few. */
const MOST = 1_000;

/**
 * What a person can say. A program that runs whatever it is told to, or that can't be known, gets its
 * yes as this one process only.
 */
export function choicesFor({ confirm, kind, identity }: Question): Answer[] {
  const { actor } = identity;
  if (confirm === "always" || kind === "change" || !actor) return ["once"];
  const { executable } = actor;
  if (executable === undefined || isInterpreter(executable)) return ["once", "process"];
  return ["once", "process", "hour", confirm === "session" ? "session" : "always"];
}

/** Answers that hold for a while, on the monotonic clock. */
export class Remembered {
  readonly #clock: Clock;
  /** By who asks for what, until when it is a yes. */
  readonly #yes = new Map<string, number>();
  readonly #no = new Map<string, { until: number; how: "no" | "none" }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(question: Question): "yes" | undefined {
    const now = this.#clock.monotonic();
    const keys = [byProcess(question), byProgram(question)];
    return keys.some((key) => key !== undefined && (this.#yes.get(key) ?? 0) > now)
      ? "yes"
      : undefined;
  }

  refusalOf(question: Question): "no" | "none" | undefined {
    const key = byProcess(question);
    const no = key === undefined ? undefined : this.#no.get(key);
    return no && no.until > this.#clock.monotonic() ? no.how : undefined;
  }

  note(question: Question, answer: Answer | "none"): void {
    const now = this.#clock.monotonic();
    const [process, program] = [byProcess(question), byProgram(question)];
    const set = (key: string | undefined, until: number) => {
      if (key !== undefined) keep(this.#yes, key, until);
    };
    if (answer === "no" || answer === "none") {
      if (process !== undefined) keep(this.#no, process, { until: now + NO_HOLDS, how: answer });
    } else if (answer === "process") set(process, Number.POSITIVE_INFINITY);
    else if (answer === "hour") set(program, now + HOUR);
    else if (answer === "session") set(program, Number.POSITIVE_INFINITY);
  }

  clear(): void {
    this.#yes.clear();
    this.#no.clear();
  }
}

/** The one that was used least lately goes. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MOST && oldest !== undefined) map.delete(oldest);
}

/** A pid alone would be another process's one day. */
function byProcess({ credential, kind, what, identity: { actor } }: Question): string | undefined {
  if (!actor) return undefined;
  const about = kind === "change" ? what : "";
  return JSON.stringify([credential, kind, about, actor.pid, actor.startedAt]);
}

function byProgram({ credential, kind, identity: { actor } }: Question): string | undefined {
  const executable = actor?.executable;
  if (executable === undefined || isInterpreter(executable)) return undefined;
  return JSON.stringify([credential, kind, executable]);
}
