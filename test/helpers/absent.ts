import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Those that are not in the PATH. */
export function absent(...programs: readonly string[]): string[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return programs.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
}
