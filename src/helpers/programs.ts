/** Programs that run one helper, for tools that take a path and no arguments. */
import { join } from "node:path";
import type { InstallOptions } from "./helper.ts";
import type { ProgramChange } from "./setup/program.ts";

/** Returns the folder of the programs that no tool looks for by name. */
export function programFolder({ env, home }: InstallOptions): string {
  return join(env.XDG_DATA_HOME || join(home, ".local", "share"), "authd", "helpers");
}

/** Returns the change that makes a program at `path`, which the tool is told, that runs `authd helper WORDS…`. */
export function programChange(
  path: string,
  { command }: InstallOptions,
  words: readonly string[],
): ProgramChange {
  return { kind: "program", path, command: [...command, "helper", ...words], isNamedByPath: true };
}
