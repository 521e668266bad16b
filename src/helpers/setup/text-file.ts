/** Files of other programs, read and written as their owner left them: links are followed, modes kept. */
import { isUtf8 } from "node:buffer";
import { readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { AuthdError, errorCode, messageOf } from "../../errors.ts";

/** Returns the text of a file; undefined if there is none. Throws AuthdError `invalid_params`. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new AuthdError("invalid_params", `${path} can't be read: ${messageOf(error)}`);
  }
}

/** Replaces the text of a file, or makes it with `mode`. Throws AuthdError `invalid_params`. */
export function writeTextFile(path: string, text: string, mode = 0o600): void {
  try {
    makeFolder(dirname(path));
    const stats = statSync(path, { throwIfNoEntry: false });
    const target = stats ? realpathSync(path) : path;
    // Other bytes would not come back as they were.
    if (stats && !isUtf8(readFileSync(target))) throw new Error("it is not UTF-8 text");
    replaceFileNow(target, text, { sync: "content", mode: stats ? stats.mode & 0o777 : mode });
  } catch (error) {
    throw new AuthdError("invalid_params", `${path} can't be written: ${messageOf(error)}`);
  }
}

/** Removes a file that was made by `writeTextFile`. */
export function removeTextFile(path: string): void {
  rmSync(path, { force: true });
}
