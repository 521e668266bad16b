/** Finds the one-time code that templates carry (`{secret.otp|totp}`). */
import { placeholders } from "../base/placeholders.ts";
import { type TimeStep, timeStepOf } from "../base/totp.ts";

/** Returns the time step of the first code in `templates` at a moment (wall clock, ms); undefined if there is none. */
export function codeIn(
  templates: unknown,
  secrets: Readonly<Record<string, string>>,
  at: number,
): TimeStep | undefined {
  const text = JSON.stringify(templates) ?? "";
  if (!text.includes("totp")) return undefined;
  const names = placeholders(text).flatMap(({ name, steps }) =>
    steps[0]?.name === "totp" ? [name.replace(/^secret\./, "")] : [],
  );
  const secret = names.map((name) => secrets[name]).find((value) => value !== undefined);
  return secret === undefined ? undefined : timeStepOrNone(secret, at);
}

/** Returns the time step of a code; undefined for a malformed secret, with which the request fails. */
export function timeStepOrNone(secret: string, at: number): TimeStep | undefined {
  try {
    return timeStepOf(secret, at);
  } catch {
    return undefined;
  }
}
