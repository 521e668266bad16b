// npm run build:native: makes the native command, native/target/release/authd, with cargo; no package is fetched.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./setup.mjs";

export const crate = join(root, "native");

/** Runs cargo in the native command's folder. */
export const cargo = (...args) => run("cargo", args, { cwd: crate });

export function buildNative() {
  cargo("build", "--release", "--locked", "--offline", "--quiet");
  // What it hands to the Node command, it hands to this one.
  const record = [process.execPath, join(root, "dist/src/main.js")];
  writeFileSync(join(crate, "target/release/node-command"), `${record.join("\n")}\n`);
}

if (process.argv[1] === import.meta.filename) buildNative();
