import { type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { configDir, stateDir } from "../../config/directories.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";

/** May others change the settings, or read what is sealed? */
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
  const foreign = ownProblem(about, folder, stats, host);
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

/** What belongs to another user than `owner` can be changed by that user. */
export function ownProblem(
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
