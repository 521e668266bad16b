/** Checks that this machine can have a system-wide authd, and finds the user who wants it. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { AuthdError } from "../../errors.ts";
import { runTool } from "../../service/tool.ts";
import type { ServiceIo } from "./steps.ts";

/** An ordinary user of this machine. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

export function assertRoot(action: string): void {
  if (process.geteuid?.() === 0) return;
  throw new AuthdError(
    "request_failed",
    `Only root can ${action} an authd for the whole machine: sudo authd service ${action} --system`,
  );
}

/** Throws AuthdError if systemd does not run, so that nothing would start the service. */
export async function assertSystemManager(io: ServiceIo): Promise<void> {
  if (io.platform !== "linux") return;
  // sd_booted(3): the folder exists if systemd is the first process.
  const { stdout } = await runTool(io.env, ["systemctl", "is-system-running"]);
  const state = stdout.trim() || "not there";
  if (existsSync("/run/systemd/system") && !/^(offline|unknown|not there)$/.test(state)) return;
  throw new AuthdError(
    "request_failed",
    `systemd does not run this machine (systemctl is-system-running: ${state}); nothing was changed. ` +
      'How it is done by hand is in docs/system-wide.md, "Without systemd".',
  );
}

/** Returns the user `name`, else the caller of sudo; undefined for root. Throws AuthdError `invalid_params`. */
export function accountOf(name: string | undefined, io: ServiceIo): Account | undefined {
  const wanted = name ?? io.env.SUDO_USER;
  if (wanted === undefined || wanted === "" || wanted === "root") return undefined;
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(wanted)) throw nobody(wanted);
  const ask = (flag: string) => Number(answerOf(["id", flag, "--", wanted]));
  const [uid, gid] = [ask("-u"), ask("-g")];
  const home = homeOf(wanted, io.platform);
  if (!Number.isInteger(uid) || uid === 0 || !Number.isInteger(gid) || !home) throw nobody(wanted);
  return { name: wanted, uid, gid, home };
}

function homeOf(name: string, platform: NodeJS.Platform): string | undefined {
  if (platform === "darwin") {
    const text = answerOf(["dscl", ".", "-read", `/Users/${name}`, "NFSHomeDirectory"]);
    return /: (\/.*)/.exec(text)?.[1];
  }
  return answerOf(["getent", "passwd", name]).split(":")[5];
}

function nobody(name: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `There is no ordinary user ${JSON.stringify(name)} here; nothing was changed.`,
  );
}

/** Returns a program's output; empty if it fails. */
function answerOf([program = "", ...args]: string[]): string {
  try {
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return execFileSync(program, args, { encoding: "utf8", stdio: [...stdio], timeout: 5_000 });
  } catch {
    return "";
  }
}
