/** One file with a token: where it may be, what is in it, and how it is written. */
import { lstatSync, realpathSync } from "node:fs";
import { lstat, rm } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { removeLeftoversOf, replaceFile } from "../../base/atomic-write.ts";
import { explainFileError } from "../../base/file-error.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { quoted } from "../../base/terminal-safe.ts";
import { untrustedFolderReason } from "../../base/trusted-folder.ts";
import type { TokenFile } from "../../credential/record.ts";
import { AuthdError, errorCode } from "../../errors.ts";
import type { GetTokenResult, ParamsOf } from "../../protocol.ts";

const DEFAULT_MODE = "0600";
/** Read by the owner; written by nobody else, run by nobody. */
const [OWNER_READS, FORBIDDEN] = [0o400, 0o133];
/** Longer paths (bytes) fit no system. */
const MAX_PATH_BYTES = 4096;

/**
 * Returns a file as it is kept, its folder without links. Throws AuthdError `invalid_params` for a place that
 * somebody else could change, and for permissions that let others change the file.
 */
export function tokenFileOf(params: ParamsOf<"tokenFiles/add">): TokenFile {
  const { path: given, format, mode, uid, gid, scope, audience } = params;
  assertMode(params);
  const isPath = isAbsolute(given) && !given.includes("\0") && basename(given) !== "";
  if (!isPath || Buffer.byteLength(given) > MAX_PATH_BYTES) {
    throw invalid(params, `${quoted(given)} is not the absolute path of a file`);
  }
  const path = join(folderOf(given, params), basename(given));
  const reason = untrustedReason(dirname(path));
  if (reason !== undefined) {
    throw invalid(params, `no token is written to ${path}: ${reason}. Choose a folder of your own`);
  }
  return { path, ...omitUndefined({ format, mode, uid, gid, scope, audience }) };
}

function assertMode(params: ParamsOf<"tokenFiles/add">): void {
  const { mode = DEFAULT_MODE } = params;
  const bits = /^0?[0-7]{3}$/.test(mode) ? Number.parseInt(mode, 8) : 0;
  if (bits & OWNER_READS && !(bits & FORBIDDEN)) return;
  const text = `the mode ${quoted(mode)} can't be used: three octal digits, such as 0600 or 0640, in which nobody but the owner may write`;
  throw invalid(params, text);
}

/** Returns the folder of a path, as it is without links. */
function folderOf(path: string, params: { credential: string }): string {
  try {
    return realpathSync(dirname(path));
  } catch (cause) {
    throw invalid(params, `the folder of ${path} can't be used: ${explainFileError(cause)}`);
  }
}

/** Throws AuthdError `invalid_params` if something is there already, which would be replaced. */
export function assertAbsent(path: string, params: { credential: string }): void {
  if (!lstatSync(path, { throwIfNoEntry: false })) return;
  throw invalid(
    params,
    `${path} is there already; authd replaces no file that it did not write. Move it away`,
  );
}

/** Returns why somebody else could replace the file; also if a link was put into its path since it was added. */
function untrustedReason(folder: string): string | undefined {
  const reached = realpathSync(folder);
  return reached === folder
    ? untrustedFolderReason(folder)
    : `${folder} leads elsewhere by now, to ${reached}`;
}

/** Returns the content of the file. Throws AuthdError `invalid_params` if the format can't carry the token. */
export function contentOf(
  { format }: TokenFile,
  answer: GetTokenResult,
  credential: string,
): string {
  if (format === "json") return `${JSON.stringify(answer, null, 2)}\n`;
  if (format !== "header") return answer.accessToken;
  if (answer.query ?? answer.body) {
    const text = "its API does not take the token in a header: --format token or json holds it";
    throw invalid({ credential }, text);
  }
  const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\n`);
  return lines.join("");
}

/** Puts `content` in place. Rejects with an error whose message says what to do. */
export async function writeTokenFile(file: TokenFile, content: string): Promise<void> {
  const { path, mode = DEFAULT_MODE, uid = -1, gid = -1 } = file;
  try {
    const reason = untrustedReason(dirname(path));
    if (reason !== undefined) throw new Error(reason);
    const owner = uid === -1 && gid === -1 ? {} : { owner: { uid, gid } };
    const bits = Number.parseInt(mode, 8);
    await replaceFile(path, content, { sync: "content", mode: bits, ...owner });
  } catch (cause) {
    const isGift = errorCode(cause) === "EPERM" && (uid !== -1 || gid !== -1);
    const why = isGift ? NOT_OURS_TO_GIVE : explainFileError(cause);
    throw new Error(`${path} can't be written: ${why}`, { cause });
  }
}

const NOT_OURS_TO_GIVE =
  "authd may give a file only to groups of its own user, unless it runs as root";

/** Removes tokens that a killed daemon has left beside the file. Never throws: the next write tells what is wrong. */
export function clearBeside({ path }: TokenFile): void {
  try {
    if (untrustedReason(dirname(path)) === undefined) removeLeftoversOf(path);
  } catch {
    // The folder is gone, or can't be read.
  }
}

/** True if nothing is at `path`. */
export async function isGone(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => false,
    (error) => errorCode(error) === "ENOENT",
  );
}

/** Deletes the file; undefined if it is gone, else why it is not. */
export async function deleteTokenFile({ path }: TokenFile): Promise<string | undefined> {
  try {
    const reason = untrustedReason(dirname(path));
    if (reason !== undefined) return `${path} is left: ${reason}`;
    await rm(path, { force: true });
    return undefined;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    return `${path} can't be deleted: ${explainFileError(error)}`;
  }
}

function invalid({ credential }: { credential: string }, text: string): AuthdError {
  return new AuthdError("invalid_params", `${credential}: ${text}.`, { credential });
}
