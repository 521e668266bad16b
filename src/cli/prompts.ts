import { leaveNoCore } from "../base/core-dump.ts";
import { AuthdError } from "../errors.ts";

/** Whether there is a person to ask. Questions go to stderr: stdout is for what was asked for. */
export function interactive(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

const clack = () => import("@clack/prompts");
const streams = { input: process.stdin, output: process.stderr };

export async function confirmed(message: string): Promise<boolean> {
  const { confirm } = await clack();
  return (await confirm({ ...streams, message, initialValue: false })) === true;
}

export interface Question {
  label: string;
  hint?: string | undefined;
  /** Taken if nothing is typed. */
  fallback?: string | undefined;
  optional?: boolean;
}

/** A readable value; undefined if an optional one was left empty. */
export async function askText(question: Question): Promise<string | undefined> {
  const { text } = await clack();
  const { fallback } = question;
  const answer = await text({
    ...streams,
    message: worded(question),
    ...(fallback === undefined ? {} : { placeholder: fallback, defaultValue: fallback }),
    validate: fallback === undefined ? required(question) : () => undefined,
  });
  return given(answer) || undefined;
}

/** A secret, not echoed; undefined if an optional one was left empty. */
export async function askSecret(question: Question): Promise<string | undefined> {
  leaveNoCore();
  const { password } = await clack();
  const answer = await password({
    ...streams,
    message: worded(question),
    validate: required(question),
  });
  return given(answer) || undefined;
}

export async function choose(
  message: string,
  options: { value: string; label: string; hint?: string }[],
): Promise<string> {
  const { select } = await clack();
  return given(await select({ ...streams, message, options }));
}

/** The same, taken away again when `over` is aborted: undefined then. */
export async function chooseUnless(
  message: string,
  options: { value: string; label: string }[],
  over: AbortSignal,
): Promise<string | undefined> {
  if (over.aborted) return undefined;
  const { select } = await clack();
  const answer = await select({ ...streams, message, options, signal: over });
  return over.aborted ? undefined : given(answer);
}

function worded({ label, hint }: Question): string {
  return hint ? `${label} (${hint})` : label;
}

function required({ optional }: Question) {
  return (value: string | undefined) => (value || optional ? undefined : "This one is needed.");
}

/** clack answers a symbol when Ctrl-C or Escape was pressed. */
function given(answer: string | symbol | undefined): string {
  if (typeof answer === "symbol") {
    throw new AuthdError("cancelled", "stopped; nothing was changed");
  }
  return answer ?? "";
}
