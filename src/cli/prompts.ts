import { protectTypedSecrets } from "../base/core-dump.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import { askFresh } from "./keyboard.ts";

/** True if there is a person to ask. Questions go to stderr, since stdout is for results. */
export function interactive(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

const clack = () => import("@clack/prompts");
const streams = { input: process.stdin, output: process.stderr };

export async function confirmed(message: string): Promise<boolean> {
  const { confirm } = await clack();
  return (await askFresh(() => confirm({ ...streams, message, initialValue: false }))) === true;
}

export interface Question {
  label: string;
  hint?: string | undefined;
  /** Value if nothing is typed. */
  fallback?: string | undefined;
  optional?: boolean;
  /** Stands there from the start, to be kept or changed. */
  initial?: string | undefined;
  /** Returns what is wrong with an answer, to be shown beside it; undefined: nothing. */
  check?: ((answer: string) => string | undefined) | undefined;
}

/** Asks for a readable value. Returns undefined if an optional one was left empty. */
export async function askText(question: Question): Promise<string | undefined> {
  const { text } = await clack();
  const { fallback, initial } = question;
  const options = {
    ...streams,
    message: worded(question),
    ...omitUndefined({ placeholder: fallback, defaultValue: fallback, initialValue: initial }),
    validate: validator(question),
  };
  return given(await askFresh(() => text(options))).trim() || undefined;
}

/** Asks for a secret without echo. Returns undefined if an optional one was left empty. */
export async function askSecret(question: Question): Promise<string | undefined> {
  protectTypedSecrets();
  const { password } = await clack();
  const options = { ...streams, message: worded(question), validate: validator(question) };
  return given(await askFresh(() => password(options))) || undefined;
}

/** Asks for one of a few options, with the arrow keys. */
export async function choose(message: string, options: Choice[]): Promise<string> {
  const { select } = await clack();
  return given(await askFresh(() => select({ ...streams, message, options })));
}

export interface Choice {
  value: string;
  label: string;
  hint?: string;
}

/** Asks for one of many options: typing narrows the list. */
export async function search(message: string, options: Choice[]): Promise<string> {
  const { autocomplete } = await clack();
  const validate = (value: unknown) => (value === undefined ? "Nothing matches." : undefined);
  return given(
    await askFresh(() =>
      autocomplete({ ...streams, message, options, placeholder: "type to search", validate }),
    ),
  );
}

/** Asks like `choose` until `over` is aborted. Returns undefined then. */
export async function chooseUnless(
  message: string,
  options: { value: string; label: string }[],
  over: AbortSignal,
): Promise<string | undefined> {
  if (over.aborted) return undefined;
  const { select } = await clack();
  const answer = await askFresh(() => select({ ...streams, message, options, signal: over }));
  return over.aborted ? undefined : given(answer);
}

function worded({ label, hint }: Question): string {
  return hint ? `${label} (${hint})` : label;
}

function validator({ optional, fallback, check }: Question) {
  return (typed: string | undefined) => {
    const answer = typed?.trim() || fallback;
    if (!answer) return optional ? undefined : "This one is needed.";
    return check?.(answer);
  };
}

/** Returns the answer. Throws AuthdError `cancelled` for clack's symbol for Ctrl-C or Escape. */
function given(answer: string | symbol | undefined): string {
  if (typeof answer === "symbol") {
    throw new AuthdError("cancelled", "stopped; nothing was changed");
  }
  return answer ?? "";
}
