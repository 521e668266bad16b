import type { ExecutionContext } from "ava";
import { type Running, start } from "./child.ts";
import { type Home, MAIN } from "./daemon.ts";

/** A command on a terminal, and whoever types there. */
export interface Terminal extends Running {
  /** Waits until the terminal shows `text`, then types. */
  type(text: string, keys: string): Promise<void>;
}

export const ENTER = "\r";
export const CTRL_C = "\x03";

/** Runs `authd ARGS…` on a pseudo-terminal of 100 columns by 24 rows: util-linux's script(1) has them. */
export function onTerminal(
  t: ExecutionContext,
  { env }: Pick<Home, "env">,
  args: readonly string[],
): Terminal {
  const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(" ");
  const command = `stty cols 100 rows 24; exec ${words}`;
  const running = start(t, "script", ["-qefc", command, "/dev/null"], {
    env: { ...env, TERM: "xterm", SHELL: "/bin/sh" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const type = async (text: string, keys: string) => {
    await running.says(text);
    running.child.stdin?.write(keys);
  };
  return { ...running, type };
}
