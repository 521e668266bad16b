import { mkdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { run } from "./child.ts";
import { MAIN } from "./daemon.ts";
import { temporaryFolder } from "./folder.ts";

/** A folder as a user has it after an installation: `authd` on the PATH, and the package to import. */
export interface Installed {
  folder: string;
  env: NodeJS.ProcessEnv;
  /** Runs a program there to its end. */
  run(
    command: string,
    args: readonly string[],
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Runs a script with bash, whose pipelines fail with any of their commands. */
  bash(script: string): ReturnType<Installed["run"]>;
}

export function install(t: ExecutionContext, env: NodeJS.ProcessEnv = {}): Installed {
  const folder = temporaryFolder(t);
  const bin = join(folder, "bin");
  const modules = join(folder, "node_modules");
  mkdirSync(bin);
  mkdirSync(modules);
  symlinkSync(MAIN, join(bin, "authd"));
  symlinkSync(fileURLToPath(new URL("../../../", import.meta.url)), join(modules, "authd"));
  const PATH = [bin, process.env.PATH].join(delimiter);
  const whole = { HOME: folder, NO_COLOR: "1", ...env, PATH };
  const runHere: Installed["run"] = (command, args) =>
    run(t, command, args, { cwd: folder, env: whole });
  return {
    folder,
    env: whole,
    run: runHere,
    bash: (script) => runHere("bash", ["-o", "pipefail", "-c", script]),
  };
}
