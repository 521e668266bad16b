import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errorCode } from "../errors.ts";

/**
 * Makes a folder and its parents; one that is there stays as it is. Returns the first that was made, if
 * any. Throws Node's error.
 *
 * Node's own `recursive` never returns where the parent is there and nothing can be made in it, as in
 * /proc.
 */
export function makeFolder(path: string, mode = 0o777): string | undefined {
  const folder = resolve(path);
  try {
    return makeOne(folder, mode);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" || folder === dirname(folder)) throw error;
  }
  const parent = dirname(folder);
  const first = makeFolder(parent, mode);
  try {
    const made = makeOne(folder, mode);
    return first ?? made;
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw cause;
    throw new Error(`no folder can be made in ${parent}`, { cause });
  }
}

/** Returns undefined if the folder was there. */
function makeOne(folder: string, mode: number): string | undefined {
  try {
    mkdirSync(folder, { mode });
    return folder;
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return undefined;
    throw error;
  }
}
