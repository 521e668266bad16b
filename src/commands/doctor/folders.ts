import { type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { configDir, stateDir } from "../../config/directories.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";

/** May others change the settings, or read what is sealed? */
export const checkFolders: Check = ({ env }) => [
  ...checkFolder("configuration", configDir(env), { readable: true }),
  ...checkFolder("state", stateDir(env), { readable: true }),
  ...checkFolder("vault", join(stateDir(env), "vault"), { readable: false }),
];

function checkFolder(
  about: string,
  folder: string,
  { readable }: { readable: boolean },
): Finding[] {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (!stats) return [ok(about, `${folder} (not made yet)`)];
  if (!stats.isDirectory()) {
    return [problem(about, `${folder} is not a folder`, "move it away")];
  }
  if (process.platform === "win32") return [ok(about, folder)];
  const foreign = ownProblem(about, folder, stats);
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

/** What belongs to another user can be changed by that user. */
export function ownProblem(about: string, path: string, { uid }: Stats): Finding | undefined {
  const own = process.geteuid?.();
  if (own === undefined || uid === own || (uid === 0 && about === "configuration"))
    return undefined;
  return problem(about, `${path} belongs to user ${uid}, not to you (${own})`, `chown it to you`);
}

export function octal(mode: number): string {
  return `mode ${mode.toString(8).padStart(4, "0")}`;
}
