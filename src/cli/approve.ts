import type { Command } from "commander";
import { ANSWERS, sentenceOf } from "../access/approvals/approval-text.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { ApprovalAnswer, PendingApproval } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { print } from "./output.ts";
import { interactive } from "./prompts.ts";
import { type PassphraseOptions, passphraseOf } from "./vault/passphrase.ts";

interface ApproveOptions extends PassphraseOptions {
  watch?: boolean;
  dialogs?: boolean;
  once?: boolean;
  process?: boolean;
  hour?: boolean;
  session?: boolean;
  always?: boolean;
  deny?: boolean;
}

const FLAGS = {
  once: "once",
  process: "process",
  hour: "hour",
  session: "session",
  always: "always",
  deny: "no",
} as const satisfies Record<string, ApprovalAnswer>;

export function define(command: Command): void {
  command
    .argument("[id]", "of the question, as authd pending lists it")
    .option("--once", "yes, this once")
    .option("--process", "yes, as long as this program runs")
    .option("--hour", "yes, for an hour")
    .option("--session", "yes, until authd locks or ends")
    .option("--always", "yes, and write it down as a rule in the credential's file")
    .option("--deny", "no")
    .option("--watch", "stay, and ask here as questions come")
    .option("--dialogs", "with --watch: ask with dialogs on the desktop, not here")
    .option("--passphrase-from <file>", "the vault's passphrase, where it has one; - for a pipe")
    .action(approve);
}

export const examples = [
  "authd approve",
  "authd approve 3 --once",
  "authd approve 3 --hour",
  "authd approve --watch",
];

async function approve(id: string | undefined, options: ApproveOptions): Promise<void> {
  const answer = answerOf(options);
  if (options.dialogs) return await askWithDialogs(id, options);
  if (answer !== undefined) return await answerOne(await chosen(id, answer), answer, options);
  if (!interactive()) {
    throw new AuthdError(
      "invalid_params",
      `There is no terminal to ask on: say the answer, such as authd approve ${id ?? "ID"} --once, or --deny`,
    );
  }
  const { askHere } = await import("./approve-here.ts");
  await askHere({
    only: id === undefined ? undefined : numberOf(id),
    stay: options.watch ?? false,
  });
}

async function askWithDialogs(id: string | undefined, { watch }: ApproveOptions): Promise<void> {
  if (!watch || id !== undefined)
    throw new AuthdError("invalid_params", "--dialogs goes with --watch, and with no ID");
  await (await import("./approve-desktop.ts")).askOnDesktop();
}

/** Returns undefined if no answer is given: a person is asked then. */
function answerOf(options: ApproveOptions): ApprovalAnswer | undefined {
  const given = (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).filter((flag) => options[flag]);
  const [flag, ...more] = given;
  if (more.length > 0) {
    throw new AuthdError("invalid_params", `Give one answer, not ${given.length}`);
  }
  if (options.watch && flag !== undefined) {
    throw new AuthdError("invalid_params", `--watch asks here: leave --${flag} out`);
  }
  return flag === undefined ? undefined : FLAGS[flag];
}

/**
 * Returns the question with this number. Without a number, a no answers the only open question; a yes needs
 * the number, since the open question may be another by now.
 */
async function chosen(given: string | undefined, answer: ApprovalAnswer): Promise<PendingApproval> {
  const { approvals } = await callDaemon("approvals/pending", {});
  const id = given === undefined ? undefined : numberOf(given);
  if (id === undefined && answer !== "no" && approvals.length > 0)
    throw sayWhich(approvals, answer);
  const found = id === undefined ? approvals : approvals.filter((one) => one.id === id);
  const [first, ...more] = found;
  if (first && more.length === 0) return first;
  const ids = found.map((one) => one.id).join(", ");
  throw new AuthdError(
    "invalid_params",
    first
      ? `Several questions wait: say which of ${ids} (authd pending tells more)`
      : "There is no such question any more: it was answered, or nobody waits for it",
  );
}

function sayWhich(approvals: readonly PendingApproval[], answer: ApprovalAnswer): AuthdError {
  const open = approvals.map((one) => `${one.id} (${sentenceOf(one)})`).join("; ");
  return new AuthdError(
    "invalid_params",
    `A yes is for one question: say which, such as authd approve ${approvals[0]?.id} --${answer}. Open: ${open}`,
  );
}

async function answerOne(
  { id, credential }: PendingApproval,
  answer: ApprovalAnswer,
  options: PassphraseOptions,
): Promise<void> {
  const { vaultKey } = await callDaemon("status", {});
  const needed = vaultKey === "passphrase" && answer !== "no";
  const label = "The vault's passphrase";
  const passphrase = needed ? await passphraseOf(options, { label, isNew: false }) : undefined;
  await callDaemon("approvals/answer", {
    id,
    answer,
    ...omitUndefined({ passphrase }),
  });
  print(`${credential}: ${ANSWERS[answer].toLowerCase()}.`);
}

function numberOf(id: string): number {
  if (/^\d{1,9}$/.test(id)) return Number(id);
  throw new AuthdError("invalid_params", `ID is a number that authd pending lists, not "${id}"`);
}
