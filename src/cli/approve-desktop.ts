/** Runs `authd approve --watch --dialogs`, as authd-approve.service does in a user's session. */
import { desktopPrompter } from "../access/approvals/desktop-prompt.ts";
import { createLog } from "../base/log.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { Desktop, hasDesktop } from "../observe/desktop-notifier.ts";
import type {
  ApprovalAnswer,
  Notifications,
  PendingApproval,
  Problem,
  Results,
} from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../rpc/daemon-connection.ts";
import { connectionLost, connectToDaemon } from "./call-daemon.ts";
import { print } from "./output.ts";
import { plain } from "./style.ts";

const LOOK_EVERY_MS = 60_000;

/** Asks with dialogs, and shows problems, until the daemon closes the connection. */
export async function askOnDesktop(): Promise<void> {
  const connection = await connectToDaemon();
  try {
    const ended = new Promise<never>((_, reject) => {
      connection.onClose = () => reject(new ConnectionLost());
    });
    ended.catch(() => {});
    connection.hold(true);
    await Promise.race([watch(connection), ended]);
    await ended;
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    connection.destroy();
  }
}

async function watch(connection: DaemonConnection): Promise<void> {
  const { vaultKey } = (await connection.request("status", {})) as Results["status"];
  if (vaultKey === "passphrase") {
    throw new AuthdError(
      "invalid_params",
      "This vault has a passphrase, and a dialog does not ask for it: use authd approve in a terminal",
    );
  }
  const prompt = desktopPrompter({
    env: process.env,
    onFailed: ({ id }) => say(`Not shown: ${id}`),
  });
  if (!prompt) {
    throw new AuthdError(
      "request_failed",
      "There is no desktop to ask on, or no program that shows dialogs (zenity or kdialog)",
    );
  }
  const open = new Map<number, () => void>();
  connection.onNotification = (name, params) => {
    if (name === "approval/asked") {
      const question = params as PendingApproval;
      open.set(
        question.id,
        prompt(question, (answer) => void send(connection, question, answer)),
      );
    } else if (name === "approval/settled") {
      const { id } = params as Notifications["approval/settled"];
      open.get(id)?.();
      open.delete(id);
    }
  };
  await connection.request("subscribe", { approvals: true });
  print("Questions are asked on the desktop as they come.");
  await showProblems(connection);
}

/** Sends an answer. An error is printed: another person may have answered meanwhile. */
async function send(
  connection: DaemonConnection,
  { id }: PendingApproval,
  answer: ApprovalAnswer,
): Promise<void> {
  await connection
    .request("approvals/answer", { id, answer })
    .catch((error) => say(`${id}: ${messageOf(error)}`));
}

/** Shows each problem once, when it begins. Rejects when the connection is lost. */
async function showProblems(connection: DaemonConnection): Promise<void> {
  const desktop = hasDesktop(process.env)
    ? new Desktop(process.env, createLog("debug"))
    : undefined;
  let known = new Set<string>();
  const look = async () => {
    const { problems } = (await connection.request("status", {})) as Results["status"];
    const fresh = problems.filter((one) => !known.has(keyOf(one)));
    known = new Set(problems.map(keyOf));
    if (fresh.length > 0) desktop?.show(fresh);
  };
  await look();
  setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS);
}

const keyOf = ({ credential, reason }: Problem) => JSON.stringify([credential, reason]);

function say(text: string): void {
  process.stderr.write(`authd: ${plain(text)}\n`);
}
