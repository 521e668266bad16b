import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import { inspectService } from "../service/index.ts";
import { agentLog } from "../service/launchd.ts";
import { EXIT } from "./exit-code.ts";

export function define(command: Command): void {
  command
    .option("-f, --follow", "stay, and show lines as they come")
    .option("-n, --lines <n>", "how many of the last lines", "50")
    .action(logs);
}

export const examples = ["authd logs", "authd logs --follow"];

interface LogsOptions {
  follow?: boolean;
  lines: string;
}

/** Shows the service's log with the program that the system has for it. */
async function logs({ follow = false, lines }: LogsOptions): Promise<void> {
  if (!/^[1-9]\d{0,5}$/.test(lines)) {
    throw new AuthdError("invalid_params", `--lines takes a number, not "${lines}"`);
  }
  const command = await logCommand({ follow, lines });
  const child = spawn(command[0]!, command.slice(1), { stdio: "inherit" });
  const ended = once(child, "exit") as Promise<[number | null]>;
  const [code] = await ended.catch(() => {
    throw new AuthdError("request_failed", `${command[0]} is not there: the log can't be shown`);
  });
  process.exitCode = code === 0 ? EXIT.done : EXIT.failed;
}

/** Returns the program that shows the log, and its arguments. Throws AuthdError that says where the log is otherwise. */
async function logCommand({ follow, lines }: Required<LogsOptions>): Promise<readonly string[]> {
  const { manager, installed } = await inspectService();
  if (manager === "systemd" && installed) {
    const more = follow ? ["--follow"] : ["--no-pager"];
    return ["journalctl", "--user", "--unit=authd.service", `--lines=${lines}`, ...more];
  }
  const file = agentLog(process.env);
  if (manager === "launchd" && existsSync(file)) {
    return ["tail", "-n", lines, ...(follow ? ["-f"] : []), file];
  }
  throw new AuthdError(
    "request_failed",
    "authd is not installed as a service of yours, so nobody keeps its log: authd serve writes it to its standard error. A system-wide one: journalctl --unit=authd-system.service",
  );
}
