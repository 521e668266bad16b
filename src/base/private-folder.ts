import { accessSync, chmodSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { AuthdError } from "../errors.ts";
import { syncFolderNow } from "./atomic-write.ts";
import { explainFileError } from "./file-error.ts";
import { makeFolder } from "./make-folder.ts";
import { closeFolder } from "./windows/access-list.ts";

const windows = process.platform === "win32";

/**
 * Makes the vault's folder, durably, and closes it to everybody else. Throws an AuthdError that names
 * it, also if it belongs to another user, who could replace its files.
 */
export function makePrivateFolder(folder: string): void {
  try {
    const first = makeFolder(folder, 0o700);
    if (first !== undefined) syncParents(folder, dirname(first));
    const { mode, uid } = statSync(folder);
    if (uid !== 0 && uid !== (process.geteuid?.() ?? uid)) throw new Error(foreign(uid));
    if (windows) closeFolder(folder);
    else if (mode & 0o077) chmodSync(folder, 0o700);
  } catch (cause) {
    throw new AuthdError(
      "internal",
      `The vault's folder ${folder} can't be made, or closed to others: ${explainFileError(cause)}; or name another state folder in AUTHD_STATE_DIR`,
      { cause },
    );
  }
}

const foreign = (uid: number) =>
  `it belongs to another user (uid ${uid}), who could replace what is in it; move it away`;

/** Makes the names of new folders, from `folder` up to the one in `top`, survive a power cut. */
function syncParents(folder: string, top: string): void {
  if (windows) return;
  for (let parent = dirname(folder); parent.length >= top.length; parent = dirname(parent)) {
    if (isReadable(parent)) syncFolderNow(parent);
    if (parent === dirname(parent)) return;
  }
}

/** True for a folder that can be opened, as a sync needs: folders can be made in one that can't be read. */
function isReadable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
