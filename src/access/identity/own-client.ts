import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { NATIVE_COMMAND } from "../../base/native-command.ts";
import { MAIN } from "../../base/package-path.ts";
import type { ProcessInfo } from "./identity.ts";
import { fileOf } from "./linux.ts";

const OWN_MAIN = realPath(MAIN);

/** True for authd's own command line, Node's or native, which acts for the program that started it. */
export function isOwnClient({
  executable,
  script,
  image,
}: Pick<ProcessInfo, "executable" | "script" | "image">): boolean {
  if (executable === undefined) return false;
  if (basename(executable) === basename(NATIVE_COMMAND))
    return isNative(image ?? fileAt(executable));
  return (
    script !== undefined && basename(executable).startsWith("node") && realPath(script) === OWN_MAIN
  );
}

/** The file is compared each time: an upgrade replaces it while the daemon runs. */
function isNative(image: string | undefined): boolean {
  return image !== undefined && image === fileAt(NATIVE_COMMAND);
}

/** Returns device and inode; undefined if they can't be told. */
function fileAt(path: string): string | undefined {
  try {
    return fileOf(path);
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
