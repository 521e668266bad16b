/** Checks the daemon's process: its socket, its version, its service and its clock. */
import { execFile } from "node:child_process";
import { lstatSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { version } from "../../base/version.ts";
import { untrustedPathReason } from "../../rpc/path-ownership.ts";
import { clientSocketPath } from "../../rpc/socket.ts";
import { inspectService } from "../../service/index.ts";
import { problemsOf } from "../../service/problems.ts";
import { duration, moment } from "../times.ts";
import { type Check, type Finding, ok, problem, unknown, warning } from "./finding.ts";
import { octal, ownerProblem } from "./permissions.ts";

/** Checks that the socket is where it should be, and open to its user alone. */
export const checkSocket: Check = ({ env, host }) => {
  const path = clientSocketPath(env);
  if (process.platform === "win32") return [ok("socket", path)];
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there)
    return [problem("socket", `nothing is at ${path}`, "authd service install, or authd serve")];
  if (!there.isSocket()) {
    return [problem("socket", `${path} is not a socket`, "move it away, then start the daemon")];
  }
  if (host !== undefined) return [checkShared(path, host, there.uid)];
  const folder = dirname(path);
  const mode = statSync(folder).mode & 0o777;
  const foreign =
    ownerProblem("socket", path, there) ?? ownerProblem("socket", folder, statSync(folder));
  if (foreign) return [foreign];
  if ((mode & 0o022) !== 0) {
    return [
      problem(
        "socket",
        `others may write to its folder ${folder} (${octal(mode)})`,
        `chmod 700 ${folder}`,
      ),
    ];
  }
  if ((there.mode & 0o077) !== 0 && (mode & 0o077) !== 0) {
    return [warning("socket", `${path} is open to others`, `chmod 600 ${path}`)];
  }
  return [ok("socket", path)];
};

/** Checks that the restricted sockets are there, and each as open as its folder says. */
export const checkSockets: Check = ({ daemon }) =>
  (daemon?.sockets ?? []).map(({ name, path, problem: why }) => {
    const what = `socket ${name}`;
    const remedy = "mend its path in config.toml, then restart authd";
    if (why !== undefined) return problem(what, why, remedy);
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (!there?.isSocket()) return problem(what, `nothing is at ${path}`, "restart authd");
    if ((there.mode & 0o077) === 0) return ok(what, path);
    const open = `${path} (${octal(there.mode & 0o777)}): only users of [access] get in all the same`;
    return ok(what, open);
  });

/** Checks another user's socket: it is used only in a folder that nobody but its user or root can change. */
function checkShared(path: string, host: number, owner: number): Finding {
  const why = untrustedPathReason(realpathSync(path), owner);
  if (why === undefined) return ok("socket", `${path}, of user ${host}'s daemon`);
  return problem(
    "socket",
    `${path} belongs to user ${host}, not to you (${process.geteuid?.()}), and ${why}`,
    "have root make its folder, or use an authd of your own",
  );
}

/** Checks that a daemon answers, and that it is of this version. */
export const checkDaemon: Check = ({ daemon, env, now }) => {
  if (!daemon) {
    return [
      problem("daemon", "no daemon answers", "authd service install, or authd serve in a terminal"),
    ];
  }
  const running = `version ${daemon.version}, pid ${daemon.pid}, up ${duration(now - daemon.startedAt)}`;
  if (daemon.version === version) return [ok("daemon", running)];
  const restart = env.INVOCATION_ID ? "restart it" : "restart it: authd service install";
  return [warning("daemon", `${running}, but this authd is ${version}`, restart)];
};

/** Checks that the service starts programs that exist and will stay where they are, and is what answers. */
export const checkService: Check = async ({ env, host, daemon }) => {
  // The service of another user, or of the system, is not this user's to look after.
  if (host !== undefined) return [];
  const report = await inspectService(env);
  const { manager, installed, active, node, main, pid } = report;
  if (manager === undefined) return [unknown("service", "authd knows no service manager here")];
  if (!installed) {
    return [unknown("service", "not installed", "authd service install runs authd at every login")];
  }
  const broken = node?.exists === false || main?.exists === false;
  const level = broken ? problem : warning;
  const problems = problemsOf(report).map((message) => level("service", message));
  if (active === false)
    problems.push(warning("service", "it is not running", "authd service install"));
  if (daemon && pid !== undefined && pid !== daemon.pid) {
    const other = `it runs as process ${pid}, but process ${daemon.pid} is what answers`;
    problems.push(warning("service", other, "end the one that is not wanted: authd stop"));
  }
  if (problems.length > 0) return problems;
  if (pid === undefined) {
    return [unknown("service", `installed (${manager}); whether it is what answers can't be told`)];
  }
  return [ok("service", `${manager}, process ${pid}`)];
};

/** Bounds of a plausible date, ms since the epoch: a clock that was never set stands long before. */
const MIN_TIME_MS = Date.UTC(2025, 0, 1);
const MAX_TIME_MS = Date.UTC(2100, 0, 1);

/** Checks the wall clock: with a wrong one, APIs refuse tokens, or authd refreshes them too late. */
export const checkClock: Check = async ({ now, daemon }) => {
  const fix = "set the clock, best by NTP: timedatectl set-ntp true";
  if (now < MIN_TIME_MS || now > MAX_TIME_MS) {
    return [problem("clock", `it says ${moment(now)}`, fix)];
  }
  if (daemon && daemon.startedAt > now + 2_000) {
    const ahead = duration(daemon.startedAt - now);
    return [warning("clock", `it was set back: the daemon started ${ahead} from now`, fix)];
  }
  const { issuers = 0, apart } = daemon?.clock ?? {};
  if (apart) {
    const { issuer, aheadMs } = apart;
    const way = aheadMs > 0 ? "ahead of" : "behind";
    const what = `${moment(now)}; ${duration(Math.abs(aheadMs))} ${way} the clock of ${issuer}`;
    return [warning("clock", what, fix)];
  }
  const isSynchronized = await synchronized();
  if (isSynchronized === false) {
    return [warning("clock", `${moment(now)}; not kept right by NTP`, fix)];
  }
  const witnesses = [
    ...(issuers > 0 ? [`${issuers} issuer${issuers === 1 ? "" : "s"}`] : []),
    ...(isSynchronized ? ["the network's time (NTP)"] : []),
  ];
  if (witnesses.length === 0) {
    return [unknown("clock", `${moment(now)}; compared with nothing: no issuer told its time yet`)];
  }
  return [ok("clock", `${moment(now)}; agrees with ${witnesses.join(" and ")}`)];
};

/** Returns whether NTP keeps the clock right; undefined where that can't be known. */
async function synchronized(): Promise<boolean | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const args = ["show", "--property=NTPSynchronized", "--value"];
    const { stdout } = await promisify(execFile)("timedatectl", args, { timeout: 2_000 });
    const answer = stdout.trim();
    return answer === "yes" ? true : answer === "no" ? false : undefined;
  } catch {
    return undefined;
  }
}
