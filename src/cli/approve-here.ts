import { ANSWERS } from "../access/approvals/approval-text.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { ApprovalAnswer, Notifications, PendingApproval, Results } from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../rpc/daemon-connection.ts";
import { connectionLost, connectToDaemon } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { print } from "./output.ts";
import { told } from "./pending.ts";
import { askSecret, chooseUnless } from "./prompts.ts";
import { painter } from "./style.ts";

export interface HereOptions {
  /** Number of the only question to ask. */
  only: number | undefined;
  /** Asks questions as they come, until Ctrl-C. */
  stay: boolean;
}

const SKIP = "skip";

/** Asks in this terminal. Withdraws a question that was settled elsewhere. */
export async function askHere({ only, stay }: HereOptions): Promise<void> {
  const connection = await connectToDaemon();
  try {
    const { vaultKey } = (await connection.request("status", {})) as Results["status"];
    const queue = new Queue(connection);
    await connection.request("subscribe", { approvals: true });
    // The daemon notifies of open questions before it answers this.
    await connection.request("approvals/pending", {});
    if (only !== undefined) queue.keepOnly(only);
    if (stay) print("Questions are asked here as they come. Ctrl-C ends it.");
    else if (queue.isEmpty) print("Nobody waits for an answer.");
    while (stay || !queue.isEmpty) {
      const question = await queue.next();
      await settle(connection, question, queue.settled(question.id), vaultKey === "passphrase");
    }
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    connection.destroy();
  }
}

/** Questions in the order in which they came. */
class Queue {
  #waiting: PendingApproval[] = [];
  readonly #settled = new Map<number, AbortController>();
  #wake: () => void = () => {};
  #lost = false;

  constructor(connection: DaemonConnection) {
    connection.hold(true);
    connection.onNotification = (name, params) => {
      if (name === "approval/asked") {
        this.#waiting.push(params as PendingApproval);
        this.#wake();
      } else if (name === "approval/settled") {
        const { id } = params as Notifications["approval/settled"];
        this.#waiting = this.#waiting.filter((one) => one.id !== id);
        this.#settled.get(id)?.abort();
      }
    };
    connection.onClose = () => {
      this.#lost = true;
      for (const one of this.#settled.values()) one.abort();
      this.#wake();
    };
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  keepOnly(id: number): void {
    this.#waiting = this.#waiting.filter((one) => one.id === id);
    if (!this.isEmpty) return;
    throw new AuthdError(
      "invalid_params",
      `There is no open question ${id}: it was answered, or nobody waits for it any more`,
    );
  }

  /** Waits for the next question. Rejects with ConnectionLost. */
  async next(): Promise<PendingApproval> {
    for (;;) {
      if (this.#lost) throw new ConnectionLost();
      const next = this.#waiting.shift();
      if (next) return next;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Returns a signal that is aborted when the question is settled elsewhere. */
  settled(id: number): AbortSignal {
    const controller = new AbortController();
    this.#settled.set(id, controller);
    if (this.#lost) controller.abort();
    return controller.signal;
  }
}

async function settle(
  connection: DaemonConnection,
  question: PendingApproval,
  settled: AbortSignal,
  needsPassphrase: boolean,
): Promise<void> {
  const lines = told(question, Date.now(), painter(process.stderr));
  process.stderr.write(`\n${lines.join("\n")}\n`);
  const answers: ApprovalAnswer[] = [...question.choices, "no"];
  const options = [
    ...answers.map((value) => ({ value, label: ANSWERS[value] })),
    { value: SKIP, label: "Leave it to others" },
  ];
  const chosen = await chooseUnless(`Allow it (${question.id})?`, options, settled);
  if (chosen === undefined)
    return print("It was settled elsewhere, or nobody waits for it any more.");
  if (chosen === SKIP) return;
  const answer = chosen as ApprovalAnswer;
  const passphrase =
    needsPassphrase && answer !== "no"
      ? await askSecret({ label: "The vault's passphrase" })
      : undefined;
  const { id, credential } = question;
  try {
    await connection.request("approvals/answer", {
      id,
      answer,
      ...omitUndefined({ passphrase }),
    });
    print(`${credential}: ${ANSWERS[answer].toLowerCase()}.`);
  } catch (error) {
    // An error of one answer does not end the loop: the next question is asked.
    if (!(error instanceof AuthdError)) throw error;
    process.stderr.write(`${painter(process.stderr)("red", "authd:")} ${error.message}\n`);
    process.exitCode = EXIT.failed;
  }
}
