import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProcessInfo } from "./identity.ts";

const MAIN = realPath(fileURLToPath(new URL("../../main.js", import.meta.url)));

/** True for authd's own command line, which acts for the program that started it. */
export function isOwnClient({
  executable,
  script,
}: Pick<ProcessInfo, "executable" | "script">): boolean {
  if (executable === undefined || script === undefined) return false;
  return basename(executable).startsWith("node") && realPath(script) === MAIN;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
