import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { Notifications, ParamsOf, PendingApproval } from "../../protocol.ts";
import type { Call, ConnectionHandle } from "../../rpc/call.ts";
import { isOwnPeer } from "../../rpc/peer.ts";
import type { Question } from "../access.ts";
import type { Identities } from "../identity/identity.ts";
import type { Answer } from "./approval-cache.ts";
import { type ApprovalPrompter, ApprovalQueue } from "./approval-queue.ts";
import { sentenceOf } from "./approval-text.ts";
import { guestUid } from "./pending-approval.ts";
import { whyGuestMayNotAnswer, whyMayNotAnswer } from "./process-relation.ts";

export interface ApprovalServiceOptions {
  clock: Clock;
  identities: Identities;
  log: Log;
  /** Returns the number of the next question. */
  nextId: () => number;
  /** Creates the desktop's prompter, which reports questions that it could not show; undefined without a desktop. */
  desktop: (onPromptFailed: (question: PendingApproval) => void) => ApprovalPrompter | undefined;
  writeRule: (question: Question) => Promise<void>;
  /** Returns a check of the vault's passphrase; undefined where its key is none. */
  passphrase: () => ((given: string, call: Call) => Promise<boolean>) | undefined;
  /** True if other users may answer questions of their own programs. */
  guestsAnswer: () => boolean;
  /** Called if a question waits and no dialog shows it. */
  onNoPrompt: (question: PendingApproval, text: string) => void;
  /** Called for the audit log, with an answer if the question was settled. */
  onAudit?:
    | ((question: PendingApproval, answer: PendingApproval["choices"][number] | undefined) => void)
    | undefined;
}

/** Serves the queue of questions to clients: decides who may see and answer a question, and notifies them. */
export class ApprovalService {
  readonly queue: ApprovalQueue;
  readonly #options: ApprovalServiceOptions;
  readonly #dialog: () => ApprovalPrompter | undefined;
  readonly #watchers = new Map<ConnectionHandle, Call>();

  constructor(options: ApprovalServiceOptions) {
    const { clock, log, nextId, writeRule } = options;
    this.#options = options;
    const desktop = options.desktop((question) => this.#reportNoPrompt(question));
    // Any program on the same screen can click: with a passphrase, a click is no answer.
    const dialog = () => (options.passphrase() ? undefined : desktop);
    this.#dialog = dialog;
    this.queue = new ApprovalQueue({
      clock,
      nextId,
      prompt: (question, answer) => dialog()?.(question, answer) ?? (() => {}),
      writeRule,
      onFailed: ({ credential }, error) => log.warn({ credential }, messageOf(error)),
      onChange: (change) => {
        if ("asked" in change) {
          options.onAudit?.(change.asked, undefined);
          if (!dialog()) this.#reportNoPrompt(change.asked);
          this.#notify(change.question, "approval/asked", change.asked);
        } else {
          options.onAudit?.(change.settled, change.answer);
          const { id } = change.settled;
          this.#notify(change.question, "approval/settled", { id, answer: change.answer });
        }
      },
    });
  }

  /** Where a person is asked. */
  get promptLocation(): "desktop" | "terminal" {
    return this.#dialog() ? "desktop" : "terminal";
  }

  /** True if the caller may see and answer questions; other users only those of their own programs. */
  isOpenTo({ peer }: Call): boolean {
    return isOwnPeer(peer) || (!peer?.restriction && this.#options.guestsAnswer());
  }

  /** Returns the open questions that the caller may see. */
  pendingFor({ peer }: Pick<Call, "peer">): PendingApproval[] {
    return this.queue.pending(guestUid({ peer }));
  }

  /** Notifies this client of questions, those that are open first. */
  watch(call: Call): void {
    const { connection } = call;
    if (!this.#watchers.has(connection)) connection.onClose(() => this.unwatch(call));
    this.#watchers.set(connection, call);
    for (const question of this.pendingFor(call))
      call.notify("approval/asked", question).catch(() => {});
  }

  unwatch({ connection }: Call): void {
    this.#watchers.delete(connection);
  }

  /** Answers a question. Rejects with AuthdError `caller_not_allowed` if the answer may come from a program. */
  async answer(
    { id, answer, passphrase }: ParamsOf<"approvals/answer">,
    call: Call,
  ): Promise<void> {
    const { question } = this.queue.find(id, guestUid(call));
    if (answer !== "no") {
      if (isOwnPeer(call.peer)) await this.#assertPerson(question, passphrase, call);
      else this.#assertGuestPerson(question, answer, call);
    }
    await this.queue.answer(id, answer);
  }

  close(): void {
    this.queue.close();
  }

  async #assertPerson(question: Question, passphrase: string | undefined, call: Call) {
    const { identities } = this.#options;
    const isRight = this.#options.passphrase();
    const answerer = identities.of(call.connection, call.peer);
    const why = whyMayNotAnswer(answerer, question.identity, {
      needsPassphrase: isRight !== undefined,
    });
    if (why !== undefined) throw new AuthdError("caller_not_allowed", why);
    if (!isRight) return;
    if (passphrase !== undefined && (await isRight(passphrase, call))) return;
    throw new AuthdError(
      "caller_not_allowed",
      passphrase === undefined
        ? "This vault has a passphrase, so an answer has to come with it: that is what tells a person from a program."
        : "This is not the vault's passphrase; nothing was answered.",
    );
  }

  /** Refuses guests where the vault has a passphrase: they do not know it, and guesses cost the others time. */
  #assertGuestPerson(question: Question, answer: Answer, call: Call): void {
    const { identities, passphrase } = this.#options;
    const why =
      whyGuestMayNotAnswer(identities.of(call.connection, call.peer), question.identity) ??
      (passphrase()
        ? "This vault has a passphrase, so only root and the daemon's user can answer."
        : answer === "always"
          ? "A rule is written by root or the daemon's user only: answer for this process, or for an hour."
          : undefined);
    if (why !== undefined) throw new AuthdError("caller_not_allowed", why);
  }

  /** Reports the first of several questions only. */
  #reportNoPrompt(question: PendingApproval): void {
    if (this.queue.pending().length > 1) return;
    this.#options.onNoPrompt(question, sentenceOf(question));
  }

  #notify<N extends keyof Notifications>(
    { identity }: Question,
    name: N,
    params: Notifications[N],
  ): void {
    for (const call of this.#watchers.values()) {
      const guest = guestUid(call);
      const isTheirs = guest === identity.peer?.uid && this.#options.guestsAnswer();
      if (guest === undefined || isTheirs) call.notify(name, params).catch(() => {});
    }
  }
}
