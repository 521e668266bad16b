import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Ended, type Running, start } from "./child.ts";
import { type Home, MAIN } from "./daemon.ts";
import { temporaryFolder } from "./folder.ts";
import type { Size } from "./screen.ts";

/** A command on a terminal, and whoever types there. */
export interface Terminal extends Running {
  /** Waits until the terminal shows `text`, then types. */
  type(text: string, keys: string): Promise<void>;
}

export const ENTER = "\r";
export const CTRL_C = "\x03";
export const CTRL_BACKSLASH = "\x1c";

interface TerminalOptions extends Size {
  /** Shell command that is run on the terminal before authd. */
  before?: string;
}

/** Runs `authd ARGS…` on a pseudo-terminal: util-linux's script(1) has them. */
export function onTerminal(
  t: ExecutionContext,
  home: Pick<Home, "env">,
  args: readonly string[],
  { columns, rows, before }: TerminalOptions = { columns: 100, rows: 24 },
): Terminal {
  const size = `stty cols ${columns} rows ${rows}`;
  const command = [size, before, `exec ${wordsOf(args)}`].filter(Boolean).join("; ");
  return startScript(t, home, [], command);
}

/**
 * Runs `authd ARGS…` as a person does in a terminal of its own: in another session, on a pseudo-terminal,
 * and without a parent that the test's other processes have, too. `code` is the command's.
 */
export function onOwnTerminal(
  t: ExecutionContext,
  home: Pick<Home, "env">,
  args: readonly string[],
): Terminal {
  const command = `stty cols 100 rows 24; ${wordsOf(args)}; echo "exit code $?."`;
  const terminal = startScript(t, home, ["-f"], command);
  const ended = terminal.ended.then((end) => {
    const code = /exit code (\d+)\./.exec(end.stdout)?.[1];
    return { ...end, code: code === undefined ? null : Number(code) };
  });
  return { ...terminal, ended };
}

/** The same to its end, with both outputs in files, as nobody types. */
export async function inOwnTerminal(
  t: ExecutionContext,
  home: Pick<Home, "env">,
  args: readonly string[],
): Promise<Ended> {
  const folder = temporaryFolder(t);
  const [stdout = "", stderr = "", code = ""] = ["out", "err", "code"].map((n) => join(folder, n));
  const command = `${wordsOf(args)} >'${stdout}' 2>'${stderr}' </dev/null; echo $? >'${code}'`;
  await startScript(t, home, ["-f"], command).ended;
  const text = (file: string) => readFileSync(file, "utf8");
  return { code: Number(text(code)), signal: null, stdout: text(stdout), stderr: text(stderr) };
}

const wordsOf = (args: readonly string[]) =>
  [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(" ");

/** With `-f` setsid(1) forks, and its child outlives it. */
function startScript(
  t: ExecutionContext,
  { env }: Pick<Home, "env">,
  setsid: readonly string[],
  command: string,
): Terminal {
  const script = ["script", "-qefc", command, "/dev/null"];
  const [program = "", ...args] = setsid.length > 0 ? ["setsid", ...setsid, ...script] : script;
  // A pipe of our own: Node closes that of a child as soon as the child is gone.
  const keyboard = join(temporaryFolder(t), "keyboard");
  execFileSync("mkfifo", [keyboard]);
  const keys = openSync(keyboard, "r+");
  t.teardown(() => closeSync(keys));
  const running = start(t, program, args, {
    env: { ...env, TERM: "xterm", SHELL: "/bin/sh" },
    stdio: [keys, "pipe", "pipe"],
  });
  const type = async (text: string, typed: string) => {
    await running.says(text);
    writeSync(keys, typed);
  };
  return { ...running, type };
}
