import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's folder. It is looked for, as the build makes fewer, larger files of these, in another folder. */
const PACKAGE = folderAbove(dirname(fileURLToPath(import.meta.url)));

/** Returns the path of a file or folder of this package, from its own folder. */
export function packagePath(...names: string[]): string {
  return join(PACKAGE, ...names);
}

/** Path of the command, which is also the daemon's program. */
export const MAIN = packagePath("dist/src/main.js");

function folderAbove(folder: string): string {
  if (existsSync(join(folder, "package.json")) || folder === dirname(folder)) return folder;
  return folderAbove(dirname(folder));
}
