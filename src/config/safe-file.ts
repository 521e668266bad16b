/** Reads files of the configuration folder, and refuses what other users could have changed. */

import { isUtf8 } from "node:buffer";
import {
  closeSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { openRegularFile, type RegularFile } from "../base/regular-file.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";

/** Bytes; a longer file is no settings file. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Returns the text of a file that only we and root can change; undefined if there is none. */
export function readSafeFile(file: string): string | undefined {
  const bytes = readSafeBytes(file);
  return bytes && textOf(bytes, file);
}

/** Returns the content of `file` as text, without a byte order mark. */
export function textOf(bytes: Buffer, file: string): string {
  if (!isUtf8(bytes)) throw fileError(file, "is not UTF-8 text");
  return bytes.toString("utf8").replace(/^\ufeff/, "");
}

/** As `readSafeFile`, for a file that may be no text. */
export function readSafeBytes(file: string): Buffer | undefined {
  const opened = openToRead(file);
  if (opened === undefined) return undefined;
  const { descriptor, stats } = opened;
  try {
    if (stats.size > MAX_FILE_BYTES) throw fileError(file, "is larger than 1 MiB");
    assertOnlyOurs(file, stats);
    // A link leads out of the folder that was checked: whoever can write where it ends can replace it.
    if (isLink(file)) {
      const folder = dirname(realpathSync(file));
      assertOnlyOurs(folder, statSync(folder));
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Returns the names in a folder that only we and root can change; undefined if there is none. */
export function listSafeFolder(folder: string): string[] | undefined {
  try {
    const stats = statSync(folder);
    if (!stats.isDirectory()) throw fileError(folder, "is not a folder");
    assertOnlyOurs(folder, stats);
    return readdirSync(folder);
  } catch (cause) {
    if (cause instanceof AuthdError) throw cause;
    return absentOrThrow(folder, cause);
  }
}

function openToRead(file: string): RegularFile | undefined {
  try {
    return openRegularFile(file, { followLinks: true });
  } catch (cause) {
    return absentOrThrow(file, cause);
  }
}

function absentOrThrow(path: string, cause: unknown): undefined {
  if (errorCode(cause) !== "ENOENT")
    throw fileError(path, `can't be read (${errorCode(cause) ?? messageOf(cause)})`);
  if (isLink(path)) throw fileError(path, "is a link to nothing: mend or remove it");
  return undefined;
}

/** Checks owner and mode; Windows keeps other accounts out of a profile by itself, and has neither. */
function assertOnlyOurs(path: string, stats: Stats): void {
  const uid = process.geteuid?.();
  if (uid === undefined) return;
  if (stats.uid !== uid && stats.uid !== 0) {
    throw fileError(
      path,
      `belongs to another user (uid ${stats.uid}), who could redirect secrets: chown ${uid} ${shellQuoted(path)}`,
    );
  }
  if (stats.mode & 0o022) {
    throw fileError(
      path,
      `can be changed by other users, who could redirect secrets: chmod go-w ${shellQuoted(path)}`,
    );
  }
}

/** True for a link, whatever it leads to. */
export function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function shellQuoted(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Returns an AuthdError `invalid_params` about a file; `problem` goes on from its path. */
export function fileError(path: string, problem: string): AuthdError {
  return new AuthdError("invalid_params", `${path} ${problem}.`);
}
