import { remedyOf } from "../observe/problems.ts";
import type { CredentialInfo, Reason, State } from "../protocol.ts";
import { appearanceCell } from "./credentials.ts";
import { EXIT, EXIT_CODE } from "./exit-code.ts";
import { print } from "./output.ts";
import { painter, plain } from "./style.ts";
import { expiry } from "./times.ts";

/** Reasons of states that need a person, also after a command that succeeded. */
const REASON_OF: Partial<Record<State, Reason>> = {
  login_required: "login_required",
  rejected: "credential_rejected",
  changed: "credential_changed",
  damaged: "credential_damaged",
  locked: "vault_locked",
};

/**
 * Prints what was done to a credential, its state and the next step. Sets the exit code: 0 unless a person
 * must act; where nobody has signed in yet, the command has done all that it can.
 */
export function announce(info: CredentialInfo, done: string, next: readonly string[] = []): void {
  const paint = painter(process.stdout);
  const expires = info.expiresAt === null ? "" : `, ${expiry(info.expiresAt, Date.now())}`;
  print(
    `${paint("bold", plain(info.name))} ${done}: ${appearanceCell(info, Date.now(), paint)}${expires}`,
  );
  if (info.lastError && info.state !== "ready") print(`  ${plain(info.lastError.message)}`);
  for (const { message, help } of [...(info.troubles ?? []), ...(info.notes ?? [])]) {
    print(`  ${plain(message)}`, `  ${paint("dim", "→")} ${plain(help)}`);
  }
  if (info.candidate) print(`  ${plain(waiting(info.name, info.candidate))}`);
  const step = remedyOf(info, info.state);
  const steps = step ? [step] : next;
  steps.forEach((each, index) => {
    print(`  ${index === 0 ? paint("bold", "Next:") : "     "} ${each}`);
  });
  const reason = REASON_OF[info.state];
  const isNew = info.state === "login_required" && info.login && !info.login.signedInAt;
  process.exitCode = reason && !isNew ? EXIT_CODE[reason] : EXIT.done;
}

/** Reports that new secrets are not in force yet. */
function waiting(name: string, { message }: NonNullable<CredentialInfo["candidate"]>): string {
  const why = message === undefined ? "" : ` ${message}`;
  return `What was there before stays in use until what was entered has worked: authd refresh ${name} tries it.${why}`;
}
