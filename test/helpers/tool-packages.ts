import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../src/errors.ts";
import { run } from "./child.ts";
import type { Scope } from "./scope.ts";
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

/** A program that Go builds, with the modules that take the place of others there. */
interface GoProgram {
  package: string;
  version: string;
  replace: string;
}

/** Returns the path of a program that go has built of modules of its proxy, within minutes. Rejects where it can't. */
export async function goProgram(t: Scope, program: GoProgram): Promise<string> {
  const folder = cacheFolder("go", Object.values(program));
  const path = join(folder, "program");
  if (existsSync(path)) return path;
  writeFileSync(join(folder, "go.mod"), `module program\ngo 1.25\nreplace ${program.replace}\n`);
  const built = `${path}.new`;
  for (const words of [
    ["get", `${program.package}@${program.version}`],
    ["build", "-trimpath", "-o", built, program.package],
  ]) {
    const { code, stderr } = await run(t, "go", words, { cwd: folder });
    if (code !== 0) throw new Error(`go ${words.join(" ")}: ${stderr}`);
  }
  renameSync(built, path);
  return path;
}

/** Installs into a folder that is named by the packages, unless that was done to its end before. */
function installed(
  kind: string,
  packages: readonly string[],
  install: (folder: string) => void,
): string {
  const folder = cacheFolder(kind, packages);
  const done = join(folder, "done");
  inTurn(`${folder}.turn`, () => {
    if (existsSync(done)) return;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    install(folder);
    writeFileSync(done, "");
  });
  return folder;
}

/** Does `work` when no other test file does it; one that was killed amid it is not waited for. */
function inTurn(turn: string, work: () => void): void {
  while (!claims(turn)) {
    if (isAbandoned(turn)) rmSync(turn, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  try {
    work();
  } finally {
    rmSync(turn, { force: true });
  }
}

/** True if the process whose number is in the file has ended. */
function isAbandoned(turn: string): boolean {
  try {
    const owner = Number(readFileSync(turn, "utf8"));
    if (owner > 0) process.kill(owner, 0);
    return false;
  } catch (error) {
    return errorCode(error) === "ESRCH";
  }
}

function claims(turn: string): boolean {
  try {
    writeFileSync(turn, `${process.pid}`, { flag: "wx" });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Makes the folder in which these packages are kept. */
export function cacheFolder(kind: string, packages: readonly string[]): string {
  const digest = createHash("sha256").update(packages.join(" ")).digest("hex").slice(0, 12);
  const folder = join(CACHE, `${kind}-${digest}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function call(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
}
