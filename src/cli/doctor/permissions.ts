/** Checks folders and files of the configuration: who may change them, and whether the daemon can use them. */
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { configDir, loadConfiguration } from "../../config/config.ts";
import { stateDir } from "../../config/directories.ts";
import type { Reporting } from "../../protocol.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";

/** Checks that other users can neither change the settings nor read the vault. */
export const checkFolders: Check = ({ env, host, isElsewhere }) =>
  isElsewhere
    ? [ok("folders", `user ${host}'s, not looked at: ${HOW_TO_LOOK}`)]
    : [
        ...checkFolder("configuration", configDir(env), { readable: true, host }),
        ...checkFolder("state", stateDir(env), { readable: true, host }),
        ...checkFolder("vault", join(stateDir(env), "vault"), { readable: false, host }),
      ];

const HOW_TO_LOOK =
  "run this as root, with AUTHD_CONFIG_DIR and AUTHD_STATE_DIR as the daemon has them";

function checkFolder(
  about: string,
  folder: string,
  { readable, host }: { readable: boolean; host: number | undefined },
): Finding[] {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (!stats) return [ok(about, `${folder} (not made yet)`)];
  if (!stats.isDirectory()) {
    return [problem(about, `${folder} is not a folder`, "move it away")];
  }
  if (process.platform === "win32") return [ok(about, folder)];
  const foreign = ownerProblem(about, folder, stats, host);
  if (foreign) return [foreign];
  const mode = stats.mode & 0o777;
  if ((mode & 0o022) !== 0) {
    const what = `others may write to ${folder} (${octal(mode)})`;
    return [problem(about, what, `chmod go-w ${folder}`)];
  }
  if (!readable && (mode & 0o077) !== 0) {
    return [
      warning(about, `others may look into ${folder} (${octal(mode)})`, `chmod 700 ${folder}`),
    ];
  }
  return [ok(about, folder)];
}

/** Returns a problem if the file belongs to another user than `owner`, who could change it. */
export function ownerProblem(
  about: string,
  path: string,
  { uid }: Stats,
  owner = process.geteuid?.(),
): Finding | undefined {
  if (owner === undefined || uid === owner || (uid === 0 && about === "configuration"))
    return undefined;
  const whose = owner === process.geteuid?.() ? `you (${owner})` : `the daemon's (${owner})`;
  const what = `${path} belongs to user ${uid}, not to ${whose}`;
  return problem(about, what, `chown it to ${owner}`);
}

export function octal(mode: number): string {
  return `mode ${mode.toString(8).padStart(4, "0")}`;
}

/** Checks that the hook can be run, and that metrics can be written and served. */
export const checkReporting: Check = ({ env, daemon, isElsewhere }) => {
  if (isElsewhere) return checkReportingStatus(daemon?.reporting);
  const { hook, metricsFile } = loadConfiguration({ dir: configDir(env), env }).daemon;
  return [
    ...(hook ? [checkHook(hook[0] ?? "")] : []),
    ...(metricsFile === undefined ? [] : [checkMetricsFile(metricsFile)]),
    ...checkReportingStatus(daemon?.reporting),
  ];
};

/** Checks the hook: it runs as the daemon's user, so nobody else may change it. */
function checkHook(path: string): Finding {
  const fix = "mend hook in config.toml, then authd reload";
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) return problem("hook", `${path} does not exist`, fix);
  if (!stats.isFile() || !hasAccess(path, constants.X_OK)) {
    return problem("hook", `${path} can't be executed`, `chmod +x ${path}`);
  }
  if (process.platform !== "win32" && (stats.mode & 0o022) !== 0) {
    const what = `others may change ${path} (${octal(stats.mode & 0o777)})`;
    return problem("hook", what, `chmod go-w ${path}`);
  }
  return ok("hook", path);
}

/** Checks the metrics file's folder, since each write replaces the file as a whole. */
function checkMetricsFile(path: string): Finding {
  const folder = dirname(path);
  if (hasAccess(folder, constants.W_OK | constants.X_OK)) return ok("metrics file", path);
  return problem("metrics file", `${folder} can't be written to`, "choose another metrics_file");
}

function checkReportingStatus({ hook, metricsListen }: Partial<Reporting> = {}): Finding[] {
  return [
    ...(hook?.error === undefined
      ? []
      : [warning("hook", `its last run failed: it ${hook.error}`, "the daemon's log says more")]),
    ...(metricsListen?.error === undefined
      ? []
      : [problem("metrics", metricsListen.error, "choose another metrics_listen, then restart")]),
  ];
}

function hasAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
