import { join } from "node:path";
import { run } from "../child.ts";
import { temporaryFolder } from "../folder.ts";
import type { Scope } from "../scope.ts";
import { ROOT } from "../sources.ts";
import { windowsPath } from "./host.ts";

const TARGET = "x86_64-pc-windows-gnu";

interface Platforms {
  hasTarget(name: string): boolean;
}

/** Returns why cargo can't make programs of Windows here; undefined if it can. */
export async function lackingForRust(): Promise<string | undefined> {
  const { hasTarget } = (await import(join(ROOT, "scripts/native-platforms.mjs"))) as Platforms;
  if (hasTarget("win32-x64")) return undefined;
  return `Rust has no ${TARGET} here (rustup target add ${TARGET})`;
}

/** Builds a package in `folder` of the sources; returns the Windows path of `program` among what was built. */
export async function cargoForWindows(
  t: Scope,
  folder: string,
  program: string,
  ...options: readonly string[]
): Promise<string> {
  const made = temporaryFolder(t);
  const build = ["build", "--locked", "--offline", "--quiet", "--target", TARGET, ...options];
  const linker = { CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER: "x86_64-w64-mingw32-gcc" };
  const { code, stderr } = await run(t, "cargo", [...build, "--target-dir", made], {
    ...{ cwd: join(ROOT, folder), env: { ...process.env, ...linker } },
  });
  if (code !== 0) throw new Error(stderr);
  return windowsPath(join(made, TARGET, "debug", program));
}
