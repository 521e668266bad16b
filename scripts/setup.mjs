// Installs what package-lock.json names, unless node_modules already holds exactly that.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeTurn } from "./turn.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export async function setup() {
  if (isInstalled()) return;
  const release = await takeTurn(join(root, ".turn"));
  // Nothing here needs an install script: native parts come as packages of their own.
  if (!isInstalled()) run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  release();
}

/** Compares contents, not times: a checkout or a copy sets those as it likes. */
function isInstalled() {
  const wanted = packagesOf("package-lock.json");
  const found = packagesOf("node_modules/.package-lock.json");
  const isRight = ([path, { version, optional }]) =>
    found[path] ? found[path].version === version : path === "" || optional;
  return Object.entries(wanted).every(isRight) && Object.keys(found).every((path) => wanted[path]);
}

function packagesOf(lockFile) {
  try {
    return JSON.parse(readFileSync(join(root, lockFile), "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return {};
    throw error;
  }
}

/** Runs a command with our own output, and ends this process with its exit code if that is not 0. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32" && command === "npm",
    ...options,
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

export const node = (args) => run(process.execPath, args);

/** The path of a program of an installed package. */
export const bin = (packageName, file) => join(root, "node_modules", packageName, file);
