import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { Notifications, ParamsOf, PendingApproval } from "../../protocol.ts";
import { isOwnPeer, type Peer } from "../../rpc/peer.ts";
import type { Call, ConnectionHandle } from "../../rpc/server.ts";
import type { Question } from "../access.ts";
import type { Identities } from "../identity/identity.ts";
import type { Answer } from "./answers.ts";
import { sentenceOf } from "./approval-text.ts";
import { type ApprovalPrompter, ApprovalQueue } from "./approvals.ts";
import { whyGuestNotApart, whyNotApart } from "./family.ts";

export interface ApprovalServiceOptions {
  clock: Clock;
  identities: Identities;
  log: Log;
  /** Asks on the desktop, and tells of what it could not ask; undefined where there is no desktop. */
  desktop: (failed: (question: PendingApproval) => void) => ApprovalPrompter | undefined;
  writeRule: (question: Question) => Promise<void>;
  /** Undefined where the vault's key is no passphrase; otherwise whether this is the one. */
  passphrase: () => ((given: string, call: Call) => Promise<boolean>) | undefined;
  /** Whether other users may answer what programs of that same user ask. */
  guestsAnswer: () => boolean;
  /** A question waits, and nobody sees it unless they are told. */
  unseen: (question: PendingApproval, text: string) => void;
  /** A question was asked, or answered: for the audit log. */
  noted?:
    | ((question: PendingApproval, answer: PendingApproval["choices"][number] | undefined) => void)
    | undefined;
}

/** The desk, for those who reach it through the socket: who may answer, and who hears of questions. */
export class ApprovalService {
  readonly queue: ApprovalQueue;
  readonly #options: ApprovalServiceOptions;
  readonly #dialog: () => ApprovalPrompter | undefined;
  readonly #watchers = new Map<ConnectionHandle, Call>();

  constructor(options: ApprovalServiceOptions) {
    const { clock, log, writeRule } = options;
    this.#options = options;
    const desktop = options.desktop((question) => this.#unseen(question));
    // A click is anybody's who draws on the same screen: where there is a passphrase, it has to come.
    const dialog = () => (options.passphrase() ? undefined : desktop);
    this.#dialog = dialog;
    this.queue = new ApprovalQueue({
      clock,
      askers: [(question, answer) => dialog()?.(question, answer) ?? (() => {})],
      writeRule,
      failed: ({ credential }, error) => log.warn({ credential }, messageOf(error)),
      changed: (change) => {
        if ("asked" in change) {
          options.noted?.(change.asked, undefined);
          if (!dialog()) this.#unseen(change.asked);
          this.#tell(change.question, "approval/asked", change.asked);
        } else {
          options.noted?.(change.settled, change.answer);
          const { id } = change.settled;
          this.#tell(change.question, "approval/settled", { id, answer: change.answer });
        }
      },
    });
  }

  /** Where a person is asked. */
  get place(): "desktop" | "terminal" {
    return this.#dialog() ? "desktop" : "terminal";
  }

  get pending(): PendingApproval[] {
    return this.queue.pending;
  }

  /** True if the caller may see questions and answer them: those of its own user's programs, if it is a guest. */
  isOpenTo({ peer }: Call): boolean {
    return isOwnPeer(peer) || this.#options.guestsAnswer();
  }

  /** The open questions that the caller may see. */
  pendingFor({ peer }: Call): PendingApproval[] {
    return this.queue.pendingOf(guestUid(peer));
  }

  /** Tells this client of questions, those that are open first. */
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

  /** Throws AuthdError `caller_not_allowed` for an answer that is not a person's, as far as one can tell. */
  async answer(
    { id, answer, passphrase }: ParamsOf<"approvals/answer">,
    call: Call,
  ): Promise<void> {
    const { question } = this.queue.find(id, guestUid(call.peer));
    if (answer !== "no") {
      if (isOwnPeer(call.peer)) await this.#assertPerson(question, passphrase, call);
      else this.#assertGuest(question, answer, call);
    }
    await this.queue.answer(id, answer);
  }

  close(): void {
    this.queue.close();
  }

  async #assertPerson(question: Question, passphrase: string | undefined, call: Call) {
    const { identities } = this.#options;
    const why = whyNotApart(identities.of(call.connection, call.peer), question.identity);
    if (why !== undefined) throw new AuthdError("caller_not_allowed", why);
    const isRight = this.#options.passphrase();
    if (!isRight) return;
    if (passphrase !== undefined && (await isRight(passphrase, call))) return;
    throw new AuthdError(
      "caller_not_allowed",
      passphrase === undefined
        ? "This vault has a passphrase, so an answer has to come with it: that is what tells a person from a program."
        : "This is not the vault's passphrase; nothing was answered.",
    );
  }

  /** A guest does not have the vault's passphrase, and its guesses would cost the others time. */
  #assertGuest(question: Question, answer: Answer, call: Call): void {
    const { identities, passphrase } = this.#options;
    const why =
      whyGuestNotApart(identities.of(call.connection, call.peer), question.identity) ??
      (passphrase()
        ? "This vault has a passphrase, so only root and the daemon's user can answer."
        : answer === "always"
          ? "A rule is written by root or the daemon's user only: answer for this process, or for an hour."
          : undefined);
    if (why !== undefined) throw new AuthdError("caller_not_allowed", why);
  }

  /** A crowd of questions is told of once. */
  #unseen(question: PendingApproval): void {
    if (this.pending.length > 1) return;
    this.#options.unseen(question, sentenceOf(question));
  }

  #tell<N extends keyof Notifications>(
    { identity }: Question,
    name: N,
    params: Notifications[N],
  ): void {
    for (const call of this.#watchers.values()) {
      const guest = guestUid(call.peer);
      const isTheirs = guest === identity.peer?.uid && this.#options.guestsAnswer();
      if (guest === undefined || isTheirs) call.notify(name, params).catch(() => {});
    }
  }
}

/** Undefined for the daemon's own user and root, who see all. */
const guestUid = (peer: Peer | undefined) => (isOwnPeer(peer) ? undefined : peer?.uid);
