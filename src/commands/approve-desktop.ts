/** `authd approve --watch --dialogs`: what authd-approve.service runs in a person's session. */
import { desktopAsker } from "../approvals/desktop.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { createLog } from "../log.ts";
import { Desktop, hasDesktop } from "../observe/desktop.ts";
import type {
  ApprovalAnswer,
  Notifications,
  PendingApproval,
  Problem,
  Results,
} from "../protocol.ts";
import { ConnectionLost, type Link } from "../wire/link.ts";
import { dial, hungUp } from "./ask.ts";
import { print } from "./output.ts";
import { plain } from "./style.ts";

const LOOK_EVERY_MS = 60_000;

/** Asks with dialogs, and shows what needs a person, until the daemon closes the connection. */
export async function askOnDesktop(): Promise<void> {
  const link = await dial();
  try {
    const ended = new Promise<never>((_, reject) => {
      link.onClose = () => reject(new ConnectionLost());
    });
    ended.catch(() => {});
    link.hold(true);
    await Promise.race([watch(link), ended]);
    await ended;
  } catch (error) {
    throw error instanceof ConnectionLost ? hungUp() : error;
  } finally {
    link.destroy();
  }
}

async function watch(link: Link): Promise<void> {
  const { vaultKey } = (await link.request("status", {})) as Results["status"];
  if (vaultKey === "passphrase") {
    throw new AuthdError(
      "invalid_params",
      "This vault has a passphrase, and a dialog does not ask for it: use authd approve in a terminal",
    );
  }
  const asker = desktopAsker({ env: process.env, failed: ({ id }) => say(`Not shown: ${id}`) });
  if (!asker) {
    throw new AuthdError(
      "request_failed",
      "There is no desktop to ask on, or no program that shows dialogs (zenity or kdialog)",
    );
  }
  const open = new Map<number, () => void>();
  link.onNotification = (name, params) => {
    if (name === "approval/asked") {
      const question = params as PendingApproval;
      open.set(
        question.id,
        asker(question, (answer) => void send(link, question, answer)),
      );
    } else if (name === "approval/settled") {
      const { id } = params as Notifications["approval/settled"];
      open.get(id)?.();
      open.delete(id);
    }
  };
  await link.request("subscribe", { approvals: true });
  print("Questions are asked on the desktop as they come.");
  await showProblems(link);
}

/** Refused is also what somebody else has answered meanwhile. */
async function send(link: Link, { id }: PendingApproval, answer: ApprovalAnswer): Promise<void> {
  await link
    .request("approvals/answer", { id, answer })
    .catch((error) => say(`${id}: ${messageOf(error)}`));
}

/** Shows each problem once, when it begins. Rejects when the connection is lost. */
async function showProblems(link: Link): Promise<void> {
  const desktop = hasDesktop(process.env)
    ? new Desktop(process.env, createLog("debug"))
    : undefined;
  let known = new Set<string>();
  const look = async () => {
    const { problems } = (await link.request("status", {})) as Results["status"];
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
