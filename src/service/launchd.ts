import { join } from "node:path";
import { home } from "../config/directories.ts";
import type { ServiceManager, ServiceState, Step } from "./manager.ts";
import { commandInPlist, plistOf } from "./plist.ts";
import type { Answer } from "./tool.ts";

const LABEL = "authd";
/** Returns launchd's name for the user's login session; it has no meaning on other systems. */
const DOMAIN = `gui/${process.getuid?.() ?? 0}`;
const TARGET = `${DOMAIN}/${LABEL}`;

/** Describes a LaunchAgent of macOS. */
export const launchd: ServiceManager = {
  name: "launchd",
  // An XML declaration must stay the first line.
  comment: { open: "<!--", close: " -->", line: 1 },
  files: (launch, env) => [
    { path: agentPath(env), content: plistOf({ label: LABEL, log: agentLog(env) }, launch) },
  ],
  commandIn: commandInPlist,
  ...stepsOf(DOMAIN, TARGET),
  customize: "keep a copy of your own under another name",
  hints: async (_ask, env) => [`Its log is ${agentLog(env)}`],
};

/** Returns the steps by which launchd starts and stops the job `target` in `domain`. */
export function stepsOf(
  domain: string,
  target: string,
): Pick<ServiceManager, "start" | "stop" | "forget" | "state"> {
  const bootout: Step = { argv: ["launchctl", "bootout", target], optional: true };
  return {
    start: (paths) => [
      bootout,
      { argv: ["launchctl", "enable", target] },
      { argv: ["launchctl", "bootstrap", domain, ...paths] },
    ],
    stop: () => [bootout],
    forget: [],
    state: async (ask) => stateOf(await ask("launchctl", "print", target)),
  };
}

function stateOf({ code, stdout }: Answer): ServiceState {
  if (code === undefined) return {};
  const pid = Number(/^[ \t]*pid = (\d+)$/m.exec(stdout)?.[1] ?? 0);
  const active = /^[ \t]*state = running$/m.test(stdout);
  return { enabled: code === 0, active, ...(pid > 0 && { pid }) };
}

function agentPath(env: NodeJS.ProcessEnv): string {
  return join(home(env), "Library", "LaunchAgents", `${LABEL}.plist`);
}

/** Returns where launchd writes what a user's daemon says. */
export function agentLog(env: NodeJS.ProcessEnv): string {
  return join(home(env), "Library", "Logs", "authd.log");
}
