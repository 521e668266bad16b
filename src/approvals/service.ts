import type { Question } from "../access.ts";
import { ApprovalDesk, type Asker } from "../approvals.ts";
import type { Clock } from "../clock.ts";
import { AuthdError } from "../errors.ts";
import type { Identities, Identity } from "../identity.ts";
import type { CheckedParams, Notifications, PendingApproval } from "../protocol.ts";
import type { Call } from "../server.ts";
import type { Answer } from "./answers.ts";

export interface ApprovalServiceOptions {
  clock: Clock;
  identities: Identities;
  /** Asks on the desktop; undefined where there is none. */
  desktop: Asker | undefined;
  writeRule: (question: Question) => Promise<void>;
  /** Undefined where the vault's key is no passphrase; otherwise whether this is the one. */
  passphrase: () => ((given: string) => Promise<boolean>) | undefined;
}

/** The desk, for those who reach it through the socket: who may answer, and who hears of questions. */
export class ApprovalService {
  readonly desk: ApprovalDesk;
  readonly #options: ApprovalServiceOptions;
  readonly #watchers = new Set<Call>();

  constructor(options: ApprovalServiceOptions) {
    this.#options = options;
    this.desk = new ApprovalDesk({
      clock: options.clock,
      askers: options.desktop ? [options.desktop] : [],
      writeRule: options.writeRule,
      changed: (change) => {
        if ("asked" in change) this.#tell("approval/asked", change.asked);
        else this.#tell("approval/settled", { id: change.settled.id, answer: change.answer });
      },
    });
  }

  get pending(): PendingApproval[] {
    return this.desk.pending;
  }

  /** Tells this client of questions, those that are open first. */
  watch(call: Call): void {
    this.#watchers.add(call);
    call.connection.onClose(() => this.#watchers.delete(call));
    for (const question of this.pending) call.notify("approval/asked", question).catch(() => {});
  }

  /** Throws AuthdError `caller_not_allowed` for an answer that is not a person's, as far as one can tell. */
  async answer(
    { id, answer, passphrase }: CheckedParams<"approvals/answer">,
    call: Call,
  ): Promise<void> {
    const { question } = this.desk.find(id);
    if (answer !== "no") await this.#assertPerson(question, passphrase, call);
    await this.desk.answer(id, answer satisfies Answer);
  }

  async #assertPerson(question: Question, passphrase: string | undefined, call: Call) {
    const { identities } = this.#options;
    const answerer = identities.of(call.connection, call.peer);
    if (sameFamily(answerer, question.identity)) {
      throw new AuthdError(
        "caller_not_allowed",
        "Who asks can't answer, nor can what it started or was started by: answer from a terminal of its own.",
      );
    }
    const isRight = this.#options.passphrase();
    if (!isRight) return;
    if (passphrase !== undefined && (await isRight(passphrase))) return;
    throw new AuthdError(
      "caller_not_allowed",
      "This vault has a passphrase, so an answer has to come with it: that is what tells a person from a program.",
    );
  }

  #tell<N extends keyof Notifications>(name: N, params: Notifications[N]): void {
    for (const call of this.#watchers) call.notify(name, params).catch(() => {});
  }
}

/** One is an ancestor of the other. */
function sameFamily(one: Identity, other: Identity): boolean {
  return isAmong(one.actor, other) || isAmong(other.actor, one);
}

function isAmong(actor: Identity["actor"], { chain }: Identity): boolean {
  return chain.some(({ pid, startedAt }) => pid === actor?.pid && startedAt === actor.startedAt);
}
