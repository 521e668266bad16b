import type { Clock, Timer } from "../../base/clock.ts";
import { quoted } from "../../base/terminal-safe.ts";
import { AuthdError } from "../../errors.ts";
import type { PendingApproval } from "../../protocol.ts";
import { isOwnPeer } from "../../rpc/peer.ts";
import type { Approvals, Question } from "../access.ts";
import type { Identity } from "../identity/identity.ts";
import {
  type Answer,
  ApprovalCache,
  choicesFor,
  exactlyOf,
  processKey,
  questionKey,
} from "./answers.ts";

/** No answer within this (ms) is a no. The clock's timers allow 30 s at a time. */
const ANSWER_TIMEOUT_MS = 60_000;
const MAX_TIMER_MS = 30_000;
/** More questions than this at once are not a person's to answer. */
const MAX_QUESTIONS = 32;
/** Of one process, or of one user that is not the daemon's own: so few that others get theirs. */
const MAX_QUESTIONS_PER_USER = 8;
/** Of all other users together: the daemon's own user can always be asked something. */
const MAX_QUESTIONS_OF_GUESTS = 16;

/** Puts a question before a person; what it returns takes the question away again. */
export type ApprovalPrompter = (
  question: PendingApproval,
  answer: (answer: Answer) => void,
) => () => void;

export interface ApprovalQueueOptions {
  clock: Clock;
  /** Everybody who can ask a person: the desktop, terminals that wait for questions. */
  askers: readonly ApprovalPrompter[];
  /** Writes the rule that an answer of "always" stands for. */
  writeRule: (question: Question) => Promise<void>;
  /** An answer that somebody gave could not be carried out. */
  failed?: (question: PendingApproval, error: unknown) => void;
  /** A question was asked, or settled. */
  changed?: (
    change: { question: Question } & (
      | { asked: PendingApproval }
      | { settled: PendingApproval; answer: Answer }
    ),
  ) => void;
}

interface Waiter {
  question: Question;
  resolve: (how: "once" | "lasting") => void;
  reject: (error: AuthdError) => void;
}

interface Pending {
  question: Question;
  /** But for the count, which changes. */
  shown: PendingApproval;
  waiters: Set<Waiter>;
  timer: Timer;
  withdraw: (() => void)[];
}

/** Why a question ended without a yes. */
type ApprovalDenial = "no" | "none" | "locked" | "ending";

/** Asks a person, once for all who want the same, and remembers the answer as long as it is meant to hold. */
export class ApprovalQueue implements Approvals {
  readonly #options: ApprovalQueueOptions;
  readonly #remembered: ApprovalCache;
  /** By what is asked. */
  readonly #pending = new Map<string, Pending>();
  #count = 0;
  #closed = false;

  constructor(options: ApprovalQueueOptions) {
    this.#options = options;
    this.#remembered = new ApprovalCache(options.clock);
  }

  get pending(): PendingApproval[] {
    return this.pendingOf(undefined);
  }

  /** Questions of programs of this user; undefined: of all. */
  pendingOf(uid: number | undefined): PendingApproval[] {
    return [...this.#pending.values()]
      .filter(({ question }) => uid === undefined || question.identity.peer?.uid === uid)
      .map(asShown);
  }

  /**
   * The question of that number, asked by a program of user `uid` if that is given. Throws AuthdError
   * `invalid_params` if it is settled, never was or is another user's.
   */
  find(id: number, uid?: number): { shown: PendingApproval; question: Question } {
    const isTheirs = ({ question }: Pending) =>
      uid === undefined || question.identity.peer?.uid === uid;
    const found = [...this.#pending.values()].find((one) => one.shown.id === id);
    if (found && isTheirs(found)) return { shown: asShown(found), question: found.question };
    throw new AuthdError(
      "invalid_params",
      `There is no open question ${id}: it was answered, or nobody waits for it any more. See "authd pending".`,
    );
  }

  async ask(question: Question, signal: AbortSignal): Promise<"once" | "lasting"> {
    if (this.#closed) throw approvalDenied(question, "ending");
    if (signal.aborted) throw cancelled();
    if (this.#remembered.allows(question)) return "lasting";
    const refusal = this.#remembered.refusalOf(question);
    if (refusal) throw approvalDenied(question, refusal);
    return await new Promise((resolve, reject) => {
      const leave = () => {
        this.#leave(waiter);
        reject(cancelled());
      };
      const settled = () => signal.removeEventListener("abort", leave);
      const waiter: Waiter = {
        question,
        resolve: (how) => {
          settled();
          resolve(how);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#join(waiter);
    });
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
    this.#settle(questionKey(question), answer);
  }

  /** Forgets the answers about a credential that has changed, so that its next use is asked about anew. */
  forgetAbout(credential: string): void {
    this.#remembered.forget(credential);
  }

  /** Forgets every answer that was meant to hold for a while, and says no to what is open. */
  forget(): void {
    this.#remembered.clear();
    for (const key of [...this.#pending.keys()]) this.#settle(key, "locked");
  }

  /** The daemon ends: nobody waits for a person any more. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#pending.keys()]) this.#settle(key, "ending");
  }

  #join(waiter: Waiter): void {
    const { question } = waiter;
    const key = questionKey(question);
    const known = this.#pending.get(key);
    if (known) known.waiters.add(waiter);
    else if (this.#isTooMuch(question)) waiter.reject(tooMany(question));
    else this.#open(key, waiter);
  }

  #isTooMuch({ identity }: Question): boolean {
    const open = [...this.#pending.values()].map(({ question }) => question.identity);
    const who = processKey(identity);
    const guest = guestOf(identity);
    const own = open.filter(
      (other) => processKey(other) === who || (guest !== undefined && guestOf(other) === guest),
    );
    const guests = open.filter((other) => guestOf(other) !== undefined);
    return (
      open.length >= MAX_QUESTIONS ||
      own.length >= MAX_QUESTIONS_PER_USER ||
      (guest !== undefined && guests.length >= MAX_QUESTIONS_OF_GUESTS)
    );
  }

  #open(key: string, waiter: Waiter): void {
    const { question } = waiter;
    const { clock, askers, changed } = this.#options;
    const since = clock.wall();
    const shown = toQuestion(question, ++this.#count, since, since + ANSWER_TIMEOUT_MS);
    const pending: Pending = {
      question,
      shown,
      waiters: new Set([waiter]),
      timer: clock.schedule(MAX_TIMER_MS, () => {
        pending.timer = clock.schedule(ANSWER_TIMEOUT_MS - MAX_TIMER_MS, () =>
          this.#settle(key, "none"),
        );
      }),
      withdraw: [],
    };
    this.#pending.set(key, pending);
    changed?.({ question, asked: shown });
    const settle = (answer: Answer) => void this.#answered(shown, answer);
    for (const asker of askers) pending.withdraw.push(asker(shown, settle));
  }

  /** Somebody has said it where an error has no place. A yes whose rule can't be written is a yes. */
  async #answered(shown: PendingApproval, answer: Answer): Promise<void> {
    try {
      await this.answer(shown.id, answer);
    } catch (error) {
      this.#options.failed?.(shown, error);
      if (answer === "always") await this.#answered(shown, "process");
    }
  }

  #leave(waiter: Waiter): void {
    const key = questionKey(waiter.question);
    const pending = this.#pending.get(key);
    if (!pending?.waiters.delete(waiter)) return;
    if (pending.waiters.size === 0) this.#close(key, pending, "no");
  }

  #settle(key: string, answer: Answer | ApprovalDenial): void {
    const pending = this.#pending.get(key);
    if (!pending) return;
    const { question } = pending;
    const refusal = isDenial(answer) ? answer : undefined;
    if (answer !== "locked" && answer !== "ending") this.#remembered.note(question, answer);
    this.#close(key, pending, isDenial(answer) ? "no" : answer);
    const others: Waiter[] = [];
    for (const waiter of pending.waiters) {
      if (refusal) waiter.reject(approvalDenied(waiter.question, refusal));
      // Once is for what the person was shown, not for whatever else was asked for meanwhile.
      else if (answer === "once" && !isShown(waiter.question, question)) others.push(waiter);
      else waiter.resolve(answer === "once" ? "once" : "lasting");
    }
    for (const waiter of others) this.#join(waiter);
  }

  #close(key: string, pending: Pending, answer: Answer): void {
    this.#pending.delete(key);
    pending.timer.cancel();
    for (const withdraw of pending.withdraw) withdraw();
    const { question } = pending;
    this.#options.changed?.({ question, settled: asShown(pending), answer });
  }
}

/** Uid of another user that the daemon serves. */
function guestOf({ peer }: Identity): number | undefined {
  return isOwnPeer(peer) ? undefined : peer?.uid;
}

/** The very one that was shown; of a token, any wish for the same one: the program has it then anyway. */
function isShown(one: Question, shown: Question): boolean {
  return one === shown || (one.kind === "token" && exactlyOf(one) === exactlyOf(shown));
}

function asShown({ shown, waiters }: Pending): PendingApproval {
  return { ...shown, count: waiters.size };
}

function isDenial(answer: Answer | ApprovalDenial): answer is ApprovalDenial {
  return answer === "no" || answer === "none" || answer === "locked" || answer === "ending";
}

const WHY: Readonly<Record<"no" | "none", string>> = {
  no: "a person said no",
  none: 'nobody answered within 60 s; answer on the desktop, or in a terminal with "authd approve"',
};

function approvalDenied({ credential, what, identity }: Question, how: ApprovalDenial): AuthdError {
  const about = { credential };
  if (how === "ending") return new AuthdError("shutting_down", "authd is shutting down.", about);
  if (how === "locked") {
    const message = `${credential}: authd was locked before a person had answered.`;
    return new AuthdError("vault_locked", message, about);
  }
  const message = `${credential}: ${identity.displayName} asked for ${what}, and ${WHY[how]}.`;
  return new AuthdError("caller_not_allowed", message, about);
}

function tooMany({ credential }: Question): AuthdError {
  return new AuthdError(
    "too_busy",
    `${credential}: too many questions wait for a person already. See "authd pending".`,
    { credential, retryAfterMs: ANSWER_TIMEOUT_MS },
  );
}

const cancelled = () => new AuthdError("cancelled", "The request was cancelled.");

function toQuestion(
  question: Question,
  id: number,
  since: number,
  expiresAt: number,
): PendingApproval {
  const { credential, kind, what, request, rule, identity } = question;
  const { actor, chain, unit, container, unknownReason: gap, displayName: shown } = identity;
  return {
    id,
    credential,
    kind: kind === "refresh" ? "token" : kind,
    what,
    ...(request && { request }),
    rule,
    count: 1,
    program: shown,
    processes: chain.map(({ pid, executable, name }) => `${quoted(executable ?? name)} (${pid})`),
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
