import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { configDir, loadConfiguration } from "../../config/config.ts";
import type { Reporting } from "../../protocol.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";
import { octal } from "./folders.ts";

/** Can the hook be run, and can metrics be had? */
export const checkReporting: Check = ({ env, daemon, isElsewhere }) => {
  if (isElsewhere) return checkOutlets(daemon?.reporting);
  const { hook, metricsFile } = loadConfiguration({ dir: configDir(env), env }).daemon;
  return [
    ...(hook ? [checkHook(hook[0] ?? "")] : []),
    ...(metricsFile === undefined ? [] : [checkFile(metricsFile)]),
    ...checkOutlets(daemon?.reporting),
  ];
};

/** What may be changed by others runs as this user. */
function checkHook(path: string): Finding {
  const mend = "mend hook in config.toml, then authd reload";
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) return problem("hook", `${path} does not exist`, mend);
  if (!stats.isFile() || !can(path, constants.X_OK)) {
    return problem("hook", `${path} can't be executed`, `chmod +x ${path}`);
  }
  if (process.platform !== "win32" && (stats.mode & 0o022) !== 0) {
    const what = `others may change ${path} (${octal(stats.mode & 0o777)})`;
    return problem("hook", what, `chmod go-w ${path}`);
  }
  return ok("hook", path);
}

/** It is replaced as a whole, so that its folder counts. */
function checkFile(path: string): Finding {
  const folder = dirname(path);
  if (can(folder, constants.W_OK | constants.X_OK)) return ok("metrics file", path);
  return problem("metrics file", `${folder} can't be written to`, "choose another metrics_file");
}

function checkOutlets({ hook, metricsListen }: Partial<Reporting> = {}): Finding[] {
  return [
    ...(hook?.error === undefined
      ? []
      : [warning("hook", `its last run failed: it ${hook.error}`, "the daemon's log says more")]),
    ...(metricsListen?.error === undefined
      ? []
      : [problem("metrics", metricsListen.error, "choose another metrics_listen, then restart")]),
  ];
}

function can(path: string, how: number): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    return false;
  }
}
