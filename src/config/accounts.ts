import { execFileSync } from "node:child_process";
import { AuthdError } from "../errors.ts";

/** How the system is asked for an id. Names of accounts come from more places than /etc/passwd. */
const questions = {
  user: (name: string) => ["id", "-u", "--", name],
  group: (name: string) => ["getent", "group", name],
} satisfies Record<string, (name: string) => [string, ...string[]]>;

/** POSIX, and what useradd(8) takes; nothing that a command could take for an option. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*\$?$/;

/** The number of a user or group that is given by number or name. Throws AuthdError `invalid_params`. */
export function idOf(kind: keyof typeof questions, given: string | number): number {
  if (typeof given === "number") return given;
  if (/^\d+$/.test(given)) return Number(given);
  if (NAME.test(given)) {
    const [command, ...args] = questions[kind](given) as [string, ...string[]];
    const id = /^(?:[^:\s]*:[^:]*:)?(\d+)/.exec(answerOf(command, args))?.[1];
    if (id !== undefined) return Number(id);
  }
  throw new AuthdError("invalid_params", `There is no ${kind} ${JSON.stringify(given)} here.`);
}

function answerOf(command: string, args: string[]): string {
  try {
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return execFileSync(command, args, { encoding: "utf8", stdio: [...stdio], timeout: 5_000 });
  } catch {
    return "";
  }
}
