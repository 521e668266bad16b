import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./sources.ts";

/** Packages that a test runs, installed from their registry once and kept for the next run. */
const CACHE = join(ROOT, "node_modules", ".cache", "tools");

/** Returns the folder of the programs of these Python packages. Throws where they can't be installed. */
export function pythonPackages(...packages: readonly string[]): string {
  const folder = installed("python", packages, (made) => {
    call("python3", "-m", "venv", made);
    call(join(made, "bin", "python"), "-m", "pip", "install", "--quiet", ...packages);
  });
  return join(folder, "bin");
}

/** Returns the folder of the programs of these packages of npm. Throws where they can't be installed. */
export function npmPackages(...packages: readonly string[]): string {
  const folder = installed("npm", packages, (made) => {
    call("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", made, ...packages);
  });
  return join(folder, "node_modules", ".bin");
}

/** Installs into a folder that is named by the packages, unless that was done to its end before. */
function installed(
  kind: string,
  packages: readonly string[],
  install: (folder: string) => void,
): string {
  const digest = createHash("sha256").update(packages.join(" ")).digest("hex").slice(0, 12);
  const folder = join(CACHE, `${kind}-${digest}`);
  const done = join(folder, "done");
  if (existsSync(done)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  install(folder);
  writeFileSync(done, "");
  return folder;
}

function call(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
}
