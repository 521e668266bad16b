import { execFileSync } from "node:child_process";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";

/** A user or a group, by name or number; the last number means "none" to the kernel. */
export const account = z.union([
  z.nonEmpty,
  z.int().check(z.nonnegative(), z.maximum(0xffff_fffe)),
]);

type AccountKind = "user" | "group";
/** Returns the id of a user or group that is given by number or name. Throws AuthdError `invalid_params`. */
export type IdOf = (kind: AccountKind, given: string | number) => number;

/** Commands that look up an id: names of accounts come from more places than /etc/passwd. */
const questions: Record<AccountKind, (name: string) => [string, ...string[]]> = {
  user: (name) => ["id", "-u", "--", name],
  group: (name) =>
    process.platform === "darwin"
      ? ["dscl", ".", "-read", `/Groups/${name}`, "PrimaryGroupID"]
      : ["getent", "group", name],
};

/** Names as POSIX and useradd(8) allow them; none that a command could take for an option. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*\$?$/;

export const idOf: IdOf = (kind, given) => {
  if (typeof given === "number") return given;
  if (/^\d{1,10}$/.test(given)) return Number(given);
  if (NAME.test(given)) {
    const [command, ...args] = questions[kind](given);
    const id = /^(?:PrimaryGroupID: |[^:\s]*:[^:]*:)?(\d+)/.exec(answerOf(command, args))?.[1];
    if (id !== undefined) return Number(id);
  }
  throw new AuthdError("invalid_params", `There is no ${kind} ${JSON.stringify(given)} here.`);
};

/** Returns an `IdOf` that looks each account up once: 10,000 credentials mostly name the same few. */
export function cachingIdOf(): IdOf {
  const known = new Map<string, number>();
  return (kind, given) => {
    const key = `${kind} ${given}`;
    const id = known.get(key) ?? idOf(kind, given);
    known.set(key, id);
    return id;
  };
}

function answerOf(command: string, args: string[]): string {
  try {
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return execFileSync(command, args, { encoding: "utf8", stdio: [...stdio], timeout: 5_000 });
  } catch {
    return "";
  }
}
