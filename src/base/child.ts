import type { ChildProcess } from "node:child_process";
import { errorCode } from "../errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Variables of the daemon's environment that a program it starts gets: to run, to find the desktop and to
 * ask authd. All others are left out, as one could be a secret.
 */
const PASSED = new Set([
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"],
  ...["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"],
  ...["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"],
  ...["XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE"],
  ...["AUTHD_SOCKET", "AUTHD_CONFIG_DIR", "AUTHD_STATE_DIR"],
  // Windows ignores the case of names.
  ...["SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP"],
  ...["USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "PROGRAMFILES", "PSMODULEPATH"],
]);

export function cleanEnvironment(env: Env): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const known = PASSED.has(name.toUpperCase()) || name.startsWith("LC_");
    if (known && value !== undefined) passed[name] = value;
  }
  return passed;
}

/** The end of a program. `missing`: there is none, or it can't be executed. */
export type Ended =
  | { how: "exit"; code: number }
  | { how: "signal"; signal: NodeJS.Signals }
  | { how: "timeout" }
  | { how: "missing"; why: string };

export interface Start {
  command: readonly string[];
  env: Record<string, string>;
  /** Milliseconds after which it is killed: this one process, by its handle. */
  timeoutMs: number;
  /** Called with the process, which a caller may end early. */
  onStart?: (child: ChildProcess) => void;
}

/** Runs a program without a shell, its input and output nowhere. Never rejects. */
export async function runProgram({ command, env, timeoutMs, onStart }: Start): Promise<Ended> {
  const { spawn } = await import("node:child_process");
  const [program = "", ...args] = command;
  let child: ChildProcess;
  try {
    child = spawn(program, args, { env, stdio: "ignore", windowsHide: true });
  } catch (error) {
    return { how: "missing", why: whyMissing(error) };
  }
  return await new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endProgram(child, "SIGKILL");
    }, timeoutMs).unref();
    const end = (ended: Ended) => {
      clearTimeout(timer);
      resolve(ended);
    };
    child.once("error", (error) => end({ how: "missing", why: whyMissing(error) }));
    child.once("exit", (code, signal) => {
      if (late) end({ how: "timeout" });
      else end(signal ? { how: "signal", signal } : { how: "exit", code: code ?? 0 });
    });
    if (child.pid !== undefined) onStart?.(child);
  });
}

/** Signals a process. One that could not be started has no id, and Node would signal our own group instead. */
export function endProgram(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) child.kill(signal);
}

/** Returns the error's code or name: its message quotes the program's arguments. */
export function whyMissing(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.name : "unknown error");
}
