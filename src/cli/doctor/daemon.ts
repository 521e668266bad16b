import { lstatSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { version } from "../../base/version.ts";
import { untrustedPathReason } from "../../rpc/path-ownership.ts";
import { defaultSocketPath } from "../../rpc/socket.ts";
import { duration } from "../times.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";
import { octal, ownProblem } from "./folders.ts";

/** Is the socket where it should be, and ours alone? */
export const checkSocket: Check = ({ env, host }) => {
  const path = defaultSocketPath(env);
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
    ownProblem("socket", path, there) ?? ownProblem("socket", folder, statSync(folder));
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

/** Another user's daemon is asked only in a place that nobody else could have made. */
function checkShared(path: string, host: number, owner: number): Finding {
  const why = untrustedPathReason(realpathSync(path), owner);
  if (why === undefined) return ok("socket", `${path}, of user ${host}'s daemon`);
  return problem(
    "socket",
    `${path} belongs to user ${host}, not to you (${process.geteuid?.()}), and ${why}`,
    "have root make its folder, or use an authd of your own",
  );
}

/** Does a daemon answer, and is it of our version? */
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
