/** Refuses keys of an issuer's requests that would be ignored. */
import { AuthdError } from "../errors.ts";
import { isTable, type Table } from "./json-table.ts";
import { type StepOf, stepsIn } from "./request-steps.ts";

const BODIES = ["form", "json", "text"];
/** Keys that a renewal of several steps has beside them; `url` has a message of its own. */
const BESIDE_STEPS = ["steps", "response", "url"];

/**
 * Throws AuthdError `invalid_params` that names the first key of `written`, after `prefix`, which no request would
 * use. `settings`: with what a preset has beside; a file that overrides its method need not take away its body.
 */
export function checkIgnoredKeys(written: Table, settings = written, prefix = ""): void {
  for (const [key, value] of Object.entries(written)) {
    const steps = stepsIn(key, value);
    const whole = stepsIn(key, settings[key]);
    // The one request of a file from before there were steps: it worked, without the body.
    const isOlder = key === "request";
    for (const [index, step] of isOlder ? [] : steps.entries()) {
      checkBody(step, whole[index]?.step.method, prefix);
    }
    const last = steps.at(-1);
    if (last?.step.take !== undefined) {
      throw mistake(
        `${prefix}${last.key}.take`,
        "is of the last step, after which nothing uses it: what goes with the token is in response.keep.",
      );
    }
    if (key === "renew" && isTable(value) && value.steps !== undefined) checkBeside(value, prefix);
  }
}

function checkBody({ key, step }: StepOf, given: unknown, prefix: string): void {
  const method = String(given ?? "POST").toUpperCase();
  if (method !== "GET" && method !== "HEAD") return;
  // An empty text says that there is no body, and replaces a preset's.
  const body = BODIES.find((each) => step[each] !== undefined && step[each] !== "");
  if (body === undefined) return;
  throw mistake(
    `${prefix}${key}.${body}`,
    `is a body, and ${method} has none: take another method, or put its values into the query of ${key}.url.`,
  );
}

function checkBeside(renew: Table, prefix: string): void {
  const key = Object.keys(renew).find((each) => !BESIDE_STEPS.includes(each));
  if (key === undefined) return;
  throw mistake(`${prefix}renew.${key}`, "stands beside renew.steps: put it into one of them.");
}

function mistake(key: string, what: string): AuthdError {
  return new AuthdError("invalid_params", `${key} ${what}`);
}
