// Platforms of the native command.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** cargo's name of each platform, and the program that links for it on another one. */
export const PLATFORMS = {
  "linux-x64": { target: "x86_64-unknown-linux-gnu", linker: "x86_64-linux-gnu-gcc" },
  "linux-arm64": { target: "aarch64-unknown-linux-gnu", linker: "aarch64-linux-gnu-gcc" },
  "darwin-x64": { target: "x86_64-apple-darwin" },
  "darwin-arm64": { target: "aarch64-apple-darwin" },
  "win32-x64": { target: "x86_64-pc-windows-gnu", linker: "x86_64-w64-mingw32-gcc" },
};

export const isHost = (name) => name === `${process.platform}-${process.arch}`;

/** True if Rust's standard library for the platform is installed. */
export function hasTarget(name) {
  const { stdout } = spawnSync("rustc", ["--print", "sysroot"], { encoding: "utf8" });
  const sysroot = (stdout ?? "").trim();
  return existsSync(join(sysroot, "lib/rustlib", PLATFORMS[name].target, "lib"));
}
