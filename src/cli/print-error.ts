import { AuthdError, messageOf } from "../errors.ts";
import { NoDaemonError } from "../rpc/daemon-connection.ts";
import { EXIT, EXIT_CODE } from "./exit-code.ts";
import { nextStep } from "./next-step.ts";
import { painter, plain } from "./style.ts";
import { duration } from "./times.ts";

/** Prints an error and the next step on stderr. Returns the exit code. */
export function report(error: unknown): number {
  const paint = painter(process.stderr);
  const { message, next, code } = explain(error);
  process.stderr.write(`${paint("red", "authd:")} ${plain(message)}\n`);
  if (next) process.stderr.write(`  ${paint("bold", "Next:")} ${plain(next)}\n`);
  return code;
}

/** Returns the exit code for an error that is not told. */
export function exitCodeOf(error: unknown): number {
  return explain(error).code;
}

interface Explanation {
  message: string;
  next: string | undefined;
  code: number;
}

/** Returns an error's message, the next step and the exit code. */
export function explain(error: unknown): Explanation {
  if (error instanceof NoDaemonError) {
    return { message: error.message, next: HOW_TO_STAY, code: EXIT.noDaemon };
  }
  if (!(error instanceof AuthdError)) {
    return { message: messageOf(error), next: undefined, code: EXIT.failed };
  }
  const { reason, credential, retryAfterMs } = error;
  const named =
    credential && !error.message.includes(credential)
      ? `${credential}: ${error.message}`
      : error.message;
  const wait = retryAfterMs === undefined ? undefined : `try again in ${duration(retryAfterMs)}`;
  return {
    message: named,
    next: nextStep(reason, credential, named) ?? wait,
    // A daemon of a later version may name a reason that this command does not know.
    code: EXIT_CODE[reason] ?? EXIT.failed,
  };
}

const HOW_TO_STAY = "authd service install starts it now and at every login";
