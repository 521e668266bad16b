import { execFileSync } from "node:child_process";
import type { ExecutionContext } from "ava";
import { type Ended, start } from "./child.ts";
import {
  type Daemon,
  type DaemonOptions,
  type Home,
  MAIN,
  makeHome,
  startDaemon,
} from "./daemon.ts";

/** Two users without names, files or rights of their own: one has a daemon, the other attacks it. */
export const OWNER = 64_121;
export const STRANGER = 64_122;

/** What a command begins with that is to run as `uid`; for root only. */
export const as = (uid: number): readonly string[] => [
  "setpriv",
  `--reuid=${uid}`,
  `--regid=${uid}`,
  "--clear-groups",
];

/** Gives a folder and all that is in it to a user; links themselves, not what they lead to. */
export function give(folder: string, uid: number): void {
  execFileSync("chown", ["-hR", `${uid}:${uid}`, folder]);
}

/** A place for an authd of OWNER. */
export function ownersHome(t: ExecutionContext, options: Omit<DaemonOptions, "home"> = {}): Home {
  const home = makeHome(t, options);
  give(home.folder, OWNER);
  return home;
}

/** A real daemon of OWNER. */
export function startOwnersDaemon(
  t: ExecutionContext,
  { home = ownersHome(t), env, through = [] }: DaemonOptions = {},
): Promise<Daemon> {
  const given = env === undefined ? {} : { env };
  return startDaemon(t, { home, ...given, through: [...through, ...as(OWNER)] });
}

/** `authd ARGS…` as its owner; `input` is what stands on standard input. */
export function ownersCli(
  t: ExecutionContext,
  { env }: Pick<Home, "env">,
  args: readonly string[],
  input = "",
): Promise<Ended> {
  const [command = "", ...words] = [...as(OWNER), process.execPath, MAIN, ...args];
  const { child, ended } = start(t, command, words, { env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin?.on("error", () => {}).end(input);
  return ended;
}

/** A credential `mine` whose token is `token`. */
export async function addMine(t: ExecutionContext, home: Home, token: string): Promise<void> {
  const args = ["add", "mine", "--grant", "static", "--secrets-from", "-"];
  const { code, stderr } = await ownersCli(t, home, args, JSON.stringify({ token }));
  t.is(code, 0, stderr);
}
