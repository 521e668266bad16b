import type { Cancellation } from "../../base/cancellation.ts";
import { type Clock, scheduleLong, type Timer } from "../../base/clock.ts";
import { AuthdError } from "../../errors.ts";
import type { PendingApproval } from "../../protocol.ts";
import type { Approvals, Question } from "../access.ts";
import { type Answer, ApprovalCache, exactlyOf, questionKey } from "./approval-cache.ts";
import { isTooMany, toPendingApproval } from "./pending-approval.ts";

/** Time (ms) that a person has for an answer; after it the answer is no. */
const ANSWER_TIMEOUT_MS = 60_000;

/** Puts a question before a person. Returns a function that takes the question away again. */
export type ApprovalPrompter = (
  question: PendingApproval,
  answer: (answer: Answer) => void,
) => () => void;

export interface ApprovalQueueOptions {
  clock: Clock;
  /** Returns the number of the next question. */
  nextId: () => number;
  prompt: ApprovalPrompter;
  /** Writes the rule that the answer "always" stands for. */
  writeRule: (question: Question) => Promise<void>;
  /** Called if the answer of a prompt could not be carried out. */
  onFailed?: (question: PendingApproval, error: unknown) => void;
  /** Called when a question was asked or settled. */
  onChange?: (
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
  /** The question as clients see it, but for `count`. */
  shown: PendingApproval;
  waiters: Set<Waiter>;
  timer: Timer;
  withdrawPrompt: () => void;
}

/** Reason for which a question ended without a yes. */
type ApprovalDenial = "no" | "none" | "locked" | "ending";

/** Asks a person once for all who want the same thing, and keeps the answer for as long as it holds. */
export class ApprovalQueue implements Approvals {
  readonly #options: ApprovalQueueOptions;
  readonly #cache: ApprovalCache;
  /** Open questions by `questionKey`. */
  readonly #pending = new Map<string, Pending>();
  #isClosed = false;

  constructor(options: ApprovalQueueOptions) {
    this.#options = options;
    this.#cache = new ApprovalCache(options.clock);
  }

  /** Returns the open questions: those of programs of user `uid`; of all users if that is undefined. */
  pending(uid?: number): PendingApproval[] {
    return [...this.#pending.values()]
      .filter(({ question }) => uid === undefined || question.identity.peer?.uid === uid)
      .map(withCount);
  }

  /**
   * Returns the open question with this number. Throws AuthdError `invalid_params` if there is none, or
   * if `uid` is given and the question is another user's.
   */
  find(id: number, uid?: number): { shown: PendingApproval; question: Question } {
    const found = [...this.#pending.values()].find(({ shown }) => shown.id === id);
    if (found && (uid === undefined || found.question.identity.peer?.uid === uid)) {
      return { shown: withCount(found), question: found.question };
    }
    throw new AuthdError(
      "invalid_params",
      `There is no open question ${id}: it was answered, or nobody waits for it any more. See "authd pending".`,
    );
  }

  async ask(question: Question, signal: Cancellation): Promise<"once" | "lasting"> {
    if (this.#isClosed) throw approvalDenied(question, "ending");
    if (signal.aborted) throw cancelled();
    if (this.#cache.allows(question)) return "lasting";
    const denial = this.#cache.denialOf(question);
    if (denial) throw approvalDenied(question, denial);
    return await new Promise((resolve, reject) => {
      const waiter: Waiter = { question, resolve, reject };
      const onAbort = () => {
        this.#leave(waiter);
        reject(cancelled());
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const stopListening = () => signal.removeEventListener("abort", onAbort);
      waiter.resolve = (how) => {
        stopListening();
        resolve(how);
      };
      waiter.reject = (error) => {
        stopListening();
        reject(error);
      };
      this.#join(waiter);
    });
  }

  /** Settles the question with this number. Throws AuthdError `invalid_params`. */
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

  /** Drops the answers about a credential that has changed: its next use is asked about again. */
  forgetAbout(credential: string): void {
    this.#cache.forget(credential);
  }

  /** Drops every answer, and denies what is open: the vault was locked. */
  forgetAll(): void {
    this.#cache.clear();
    this.#settleAll("locked");
  }

  /** Denies what is open and all later questions: the daemon ends. */
  close(): void {
    this.#isClosed = true;
    this.#settleAll("ending");
  }

  #settleAll(denial: ApprovalDenial): void {
    for (const key of [...this.#pending.keys()]) this.#settle(key, denial);
  }

  #join(waiter: Waiter): void {
    const { question } = waiter;
    const key = questionKey(question);
    const known = this.#pending.get(key);
    const open = [...this.#pending.values()].map((one) => one.question.identity);
    if (known) known.waiters.add(waiter);
    else if (isTooMany(question.identity, open)) waiter.reject(tooBusy(question));
    else this.#open(key, waiter);
  }

  #open(key: string, waiter: Waiter): void {
    const { question } = waiter;
    const { clock, nextId, prompt, onChange } = this.#options;
    const since = clock.wall();
    const expiresAt = since + ANSWER_TIMEOUT_MS;
    const shown = toPendingApproval(question, { id: nextId(), since, expiresAt });
    const pending: Pending = {
      question,
      shown,
      waiters: new Set([waiter]),
      timer: scheduleLong(clock, ANSWER_TIMEOUT_MS, () => this.#settle(key, "none")),
      withdrawPrompt: () => {},
    };
    this.#pending.set(key, pending);
    onChange?.({ question, asked: shown });
    pending.withdrawPrompt = prompt(shown, (answer) => void this.#answerOfPrompt(shown, answer));
  }

  /**
   * Takes an answer from a prompt, where no error can be shown. If the rule of an "always" can't be
   * written, the answer holds for as long as the process runs.
   */
  async #answerOfPrompt(shown: PendingApproval, answer: Answer): Promise<void> {
    try {
      await this.answer(shown.id, answer);
    } catch (error) {
      this.#options.onFailed?.(shown, error);
      if (answer === "always") await this.#answerOfPrompt(shown, "process");
    }
  }

  #leave(waiter: Waiter): void {
    const key = questionKey(waiter.question);
    const pending = this.#pending.get(key);
    if (!pending?.waiters.delete(waiter)) return;
    if (pending.waiters.size === 0) this.#remove(key, pending, "no");
  }

  #settle(key: string, answer: Answer | ApprovalDenial): void {
    const pending = this.#pending.get(key);
    if (!pending) return;
    if (answer !== "locked" && answer !== "ending") this.#cache.add(pending.question, answer);
    this.#remove(key, pending, isDenial(answer) ? "no" : answer);
    if (isDenial(answer)) {
      for (const { question, reject } of pending.waiters) reject(approvalDenied(question, answer));
    } else this.#allow(pending, answer);
  }

  /** Answers the waiters with yes. A "once" is for the question that was shown: others are asked next. */
  #allow({ question, waiters }: Pending, answer: Answer): void {
    const isMeant = (waiter: Waiter) => answer !== "once" || isSameWish(waiter.question, question);
    const meant = [...waiters].filter(isMeant);
    const others = [...waiters].filter((waiter) => !meant.includes(waiter));
    for (const { resolve } of meant) resolve(answer === "once" ? "once" : "lasting");
    for (const waiter of others) this.#join(waiter);
  }

  #remove(key: string, pending: Pending, answer: Answer): void {
    this.#pending.delete(key);
    pending.timer.cancel();
    pending.withdrawPrompt();
    const { question } = pending;
    this.#options.onChange?.({ question, settled: withCount(pending), answer });
  }
}

/** True for the question that was shown, and for any other that wants the same token: one yes gives it to the program. */
function isSameWish(one: Question, shown: Question): boolean {
  return one === shown || (one.kind === "token" && exactlyOf(one) === exactlyOf(shown));
}

function withCount({ shown, waiters }: Pending): PendingApproval {
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

function tooBusy({ credential }: Question): AuthdError {
  return new AuthdError(
    "too_busy",
    `${credential}: too many questions wait for a person already. See "authd pending".`,
    { credential, retryAfterMs: ANSWER_TIMEOUT_MS },
  );
}

const cancelled = () => new AuthdError("cancelled", "The request was cancelled.");
