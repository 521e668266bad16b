import type { Approvals, Question } from "./access.ts";
import { type Answer, choicesFor, Remembered } from "./approvals/answers.ts";
import type { Clock, Timer } from "./clock.ts";
import { AuthdError } from "./errors.ts";
import type { PendingApproval } from "./protocol.ts";

/** No answer within this (ms) is a no. The clock's timers allow 30 s at a time. */
const PATIENCE = 60_000;
const LONGEST_TIMER = 30_000;
/** More questions than this at once are not a person's to answer. */
const MOST = 32;

/** Puts a question before a person; what it returns takes the question away again. */
export type Asker = (question: PendingApproval, answer: (answer: Answer) => void) => () => void;

export interface ApprovalDeskOptions {
  clock: Clock;
  /** Everybody who can ask a person: the desktop, terminals that wait for questions. */
  askers: readonly Asker[];
  /** Writes the rule that an answer of "always" stands for. */
  writeRule: (question: Question) => Promise<void>;
  /** A question was asked, or settled. */
  changed?: (
    change: { asked: PendingApproval } | { settled: PendingApproval; answer: Answer },
  ) => void;
}

interface Waiter {
  resolve: () => void;
  reject: (error: Error) => void;
}

interface Pending {
  question: Question;
  shown: PendingApproval;
  waiters: Set<Waiter>;
  timer: Timer;
  withdraw: (() => void)[];
}

/** Asks a person, once for all who want the same, and remembers the answer as long as it is meant to hold. */
export class ApprovalDesk implements Approvals {
  readonly #options: ApprovalDeskOptions;
  readonly #remembered: Remembered;
  /** By what is asked. */
  readonly #pending = new Map<string, Pending>();
  #count = 0;

  constructor(options: ApprovalDeskOptions) {
    this.#options = options;
    this.#remembered = new Remembered(options.clock);
  }

  get pending(): PendingApproval[] {
    return [...this.#pending.values()].map(({ shown }) => shown);
  }

  /** The question of that number; throws AuthdError `invalid_params` if it is settled or never was. */
  find(id: number): { shown: PendingApproval; question: Question } {
    const found = [...this.#pending.values()].find(({ shown }) => shown.id === id);
    if (found) return found;
    throw new AuthdError(
      "invalid_params",
      `There is no open question ${id}: it was answered, or nobody waits for it any more. See "authd pending".`,
    );
  }

  async ask(question: Question, signal: AbortSignal): Promise<void> {
    const known = question.confirm === "always" ? undefined : this.#remembered.of(question);
    const refused = this.#remembered.refusalOf(question);
    if (known === "yes") return;
    if (refused) throw denied(question, refused);
    const key = keyOf(question);
    const pending = this.#pending.get(key) ?? this.#open(key, question);
    pending.shown = { ...pending.shown, count: pending.waiters.size + 1 };
    await this.#wait(key, pending, signal);
  }

  /** Settles the question of that number. Throws AuthdError `invalid_params`. */
  async answer(id: number, answer: Answer): Promise<void> {
    const { question, shown } = this.find(id);
    if (answer !== "no" && !shown.choices.includes(answer)) {
      throw new AuthdError(
        "invalid_params",
        `This question can be answered with ${[...shown.choices, "no"].join(", ")}; not with ${answer}.`,
      );
    }
    if (answer === "always") await this.#options.writeRule(question);
    this.#settle(keyOf(question), answer);
  }

  /** Forgets every answer that was meant to hold for a while, and says no to what is open. */
  forget(): void {
    this.#remembered.clear();
    for (const key of [...this.#pending.keys()]) this.#settle(key, "no");
    this.#remembered.clear();
  }

  #open(key: string, question: Question): Pending {
    if (this.#pending.size >= MOST) {
      throw new AuthdError(
        "too_busy",
        `${question.credential}: ${MOST} questions wait for a person already. See "authd pending".`,
        { credential: question.credential, retryAfterMs: PATIENCE },
      );
    }
    const { clock, askers, changed } = this.#options;
    const since = clock.wall();
    const shown = describe(question, ++this.#count, since, since + PATIENCE);
    const pending: Pending = {
      question,
      shown,
      waiters: new Set(),
      timer: clock.schedule(LONGEST_TIMER, () => {
        pending.timer = clock.schedule(PATIENCE - LONGEST_TIMER, () => this.#settle(key, "none"));
      }),
      withdraw: [],
    };
    this.#pending.set(key, pending);
    changed?.({ asked: shown });
    for (const asker of askers) {
      const settle = (answer: Answer) => void this.answer(shown.id, answer).catch(() => {});
      pending.withdraw.push(asker(shown, settle));
    }
    return pending;
  }

  #wait(key: string, pending: Pending, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
        reject: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      };
      const leave = () => {
        pending.waiters.delete(waiter);
        if (pending.waiters.size === 0) this.#close(key, pending, "no");
        reject(new AuthdError("cancelled", "The request was cancelled."));
      };
      pending.waiters.add(waiter);
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  #settle(key: string, answer: Answer | "none"): void {
    const pending = this.#pending.get(key);
    if (!pending) return;
    const { question, waiters } = pending;
    this.#remembered.note(question, answer);
    this.#close(key, pending, answer === "none" ? "no" : answer);
    const error = answer === "no" || answer === "none" ? denied(question, answer) : undefined;
    for (const waiter of [...waiters]) error ? waiter.reject(error) : waiter.resolve();
  }

  #close(key: string, pending: Pending, answer: Answer): void {
    if (this.#pending.get(key) === pending) this.#pending.delete(key);
    pending.timer.cancel();
    for (const withdraw of pending.withdraw) withdraw();
    this.#options.changed?.({ settled: pending.shown, answer });
  }
}

/** What is asked by one program about one credential is one question. */
function keyOf({ credential, kind, identity, what }: Question): string {
  const { actor, peer } = identity;
  const who = actor ? [actor.pid, actor.startedAt] : [peer?.uid, peer?.pid];
  return JSON.stringify([credential, kind, kind === "change" ? what : "", ...who]);
}

function denied({ credential, what, identity }: Question, how: "no" | "none"): AuthdError {
  const why =
    how === "no"
      ? "a person said no"
      : 'nobody answered within 60 s; answer on the desktop, or in a terminal with "authd approve"';
  return new AuthdError(
    "caller_not_allowed",
    `${credential}: ${identity.shown} asked for ${what}, and ${why}.`,
    { credential },
  );
}

function describe(
  question: Question,
  id: number,
  since: number,
  expiresAt: number,
): PendingApproval {
  const { credential, kind, what, rule, identity } = question;
  const { actor, chain, unit, container, gap, shown } = identity;
  return {
    id,
    credential,
    kind,
    what,
    rule,
    count: 1,
    program: shown,
    processes: chain.map(({ pid, executable, name }) => `${executable ?? name} (${pid})`),
    ...(actor?.script === undefined ? {} : { script: actor.script }),
    ...(actor?.terminal === undefined ? {} : { terminal: actor.terminal }),
    ...(unit ? { unit } : {}),
    ...(container ? { container } : {}),
    ...(gap === undefined ? {} : { unknown: gap }),
    since,
    expiresAt,
    choices: choicesFor(question),
  };
}
