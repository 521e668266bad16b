/** Ends the authd of an ordinary user, for root, and keeps its service from coming back. */
import { AuthdError } from "../../errors.ts";
import type { StatusResult } from "../../protocol.ts";
import type { AsUser } from "./as-user.ts";

const UNITS = ["authd.socket", "authd.service"] as const;

/** The daemon that was ended. */
export interface EndedDaemon {
  /** Systemd ran it. */
  isManaged: boolean;
  /** Another daemon of the same user runs as the service: that one is left alone. */
  isOtherRunning: boolean;
}

/** Ends the daemon that answers: two that spend one refresh token would end its session. */
export async function endDaemon(user: AsUser): Promise<EndedDaemon> {
  const pid = await daemonPid(user);
  const servicePid = await mainPid(user);
  const isManaged = servicePid > 0 && servicePid === pid;
  const { code, stderr } = isManaged
    ? await systemctl(user, "stop", ...UNITS)
    : await user.authd(["stop"]);
  if (code === 0) return { isManaged, isOtherRunning: servicePid > 0 && !isManaged };
  throw new AuthdError(
    "request_failed",
    `The user's own authd could not be ended, so nothing was taken over: ${stderr.trim()}`,
  );
}

/** Starts the service again. Returns false if it does not run, or was not systemd's. */
export async function startAgain(user: AsUser, { isManaged }: EndedDaemon): Promise<boolean> {
  return isManaged && (await systemctl(user, "start", ...UNITS)).code === 0;
}

/**
 * Disables and removes the service, so that no login starts the daemon again. Returns what to tell the
 * person: `said` or, if it may come back, `problem`; undefined where there is no service.
 */
export async function retire(
  user: AsUser,
  { isOtherRunning }: EndedDaemon,
  name: string,
): Promise<{ said: string } | { problem: string } | undefined> {
  if (isOtherRunning) return undefined;
  const before = await enabledUnits(user);
  if (before === undefined) return undefined;
  const { code, stderr } = await systemctl(user, "disable", "--now", ...UNITS);
  // Files that were edited stay.
  await user.authd(["service", "uninstall"]);
  const left = (await enabledUnits(user)) ?? [];
  if (code === 0 && left.length === 0) {
    return { said: `${name}'s own service was stopped and disabled: no login starts it again.` };
  }
  const why = stderr.trim() || `${left.join(", ")} still enabled`;
  return {
    problem: `${name}'s own service could not be disabled (${why}): the next login may start it again. As ${name}: systemctl --user disable --now ${UNITS.join(" ")}`,
  };
}

/** Returns the units that a login starts; undefined if none is installed, or no manager answers. */
async function enabledUnits(user: AsUser): Promise<string[] | undefined> {
  const states: [string, string][] = [];
  for (const unit of UNITS) {
    const { stdout } = await systemctl(user, "is-enabled", unit);
    states.push([unit, stdout.toString().trim()]);
  }
  const there = states.filter(([, state]) => state !== "" && state !== "not-found");
  if (there.length === 0) return undefined;
  return there.filter(([, state]) => state.startsWith("enabled")).map(([unit]) => unit);
}

async function daemonPid(user: AsUser): Promise<number | undefined> {
  const { code, stdout } = await user.authd(["status", "--json"]);
  if (code !== 0) return undefined;
  return (JSON.parse(stdout.toString()) as { daemon: StatusResult }).daemon.pid;
}

/** Returns the process id of the service; 0 if it does not run. */
async function mainPid(user: AsUser): Promise<number> {
  const { stdout } = await systemctl(user, "show", "--property=MainPID", "--value", UNITS[1]);
  return Number(stdout.toString().trim()) || 0;
}

function systemctl(user: AsUser, ...args: string[]) {
  return user.run(["systemctl", "--user", ...args]);
}
