/** Reads and writes the files of the configuration folder, and refuses what others could have changed. */

import { isUtf8 } from "node:buffer";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parse, TomlError } from "smol-toml";
import { replaceFileNow, syncFolderNow } from "../base/atomic-write.ts";
import { openRegularFile, type RegularFile } from "../base/regular-file.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import { type Table, toJsonTable } from "./json-table.ts";
import { assertCredentialName } from "./name.ts";

/** Bytes; a settings file that is longer is none. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * The content of a TOML file; undefined if there is none. Throws AuthdError `invalid_params` that
 * says where the file is broken, without quoting it: somebody may have put a secret there.
 */
export function readTomlFile(file: string): Table | undefined {
  const text = readSafeFile(file);
  return text === undefined ? undefined : tomlTable(file, text);
}

/** `text` as a table; `file` is for messages. Throws as `readTomlFile`. */
export function tomlTable(file: string, text: string): Table {
  try {
    return toJsonTable(parse(text));
  } catch (error) {
    if (error instanceof AuthdError) throw fileError(file, `can't be used: ${error.message}`);
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n", 1)[0]!.replace("Invalid TOML document: ", "");
    throw new AuthdError(
      "invalid_params",
      `${file}, line ${error.line}, column ${error.column}: not valid TOML: ${what}.`,
    );
  }
}

/** Returns the text of a file that only we and root can change; undefined if there is none. */
export function readSafeFile(file: string): string | undefined {
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
    const bytes = readFileSync(descriptor);
    if (!isUtf8(bytes)) throw fileError(file, "is not UTF-8 text");
    return bytes.toString("utf8").replace(/^\ufeff/, "");
  } finally {
    closeSync(descriptor);
  }
}

/** The names in a folder that only we and root can change; undefined if there is none. */
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

/** Windows keeps other accounts out of a profile by itself, and knows no such bits. */
function assertOnlyOurs(path: string, stats: Stats): void {
  const uid = process.geteuid?.();
  if (uid === undefined) return;
  if (stats.uid !== uid && stats.uid !== 0) {
    throw fileError(
      path,
      `belongs to another user (uid ${stats.uid}), who could redirect secrets: chown ${uid} ${quoted(path)}`,
    );
  }
  if (stats.mode & 0o022) {
    throw fileError(
      path,
      `can be changed by other users, who could redirect secrets: chmod go-w ${quoted(path)}`,
    );
  }
}

/**
 * Writes `credentials/NAME.toml`, whole or not at all. A link stays, and its target is replaced.
 * Throws AuthdError `internal`.
 */
export function writeCredentialFile(configDir: string, name: string, text: string): void {
  const file = credentialFile(configDir, name);
  changing(file, () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const target = isLink(file) ? realpathSync(file) : file;
    replaceFileNow(target, text, { sync: "folder" });
  });
}

/** Removes `credentials/NAME.toml`, or the link of that name; there may be none. */
export function removeCredentialFile(configDir: string, name: string): void {
  const file = credentialFile(configDir, name);
  changing(file, () => {
    rmSync(file, { force: true });
    if (listSafeFolder(dirname(file))) syncFolderNow(dirname(file));
  });
}

/** Undefined if there is none. Throws AuthdError `invalid_params` as `readTomlFile` does. */
export function readCredentialFile(configDir: string, name: string): Table | undefined {
  return readTomlFile(credentialFile(configDir, name));
}

/** Its very text, to put it back; undefined if there is none. */
export function credentialFileAsItIs(configDir: string, name: string): string | undefined {
  return readSafeFile(credentialFile(configDir, name));
}

/** Throws AuthdError `invalid_params` for what can't be a credential's name. */
export function credentialFile(configDir: string, name: string): string {
  assertCredentialName(name);
  return join(configDir, "credentials", `${name}.toml`);
}

function changing(file: string, change: () => void): void {
  try {
    change();
  } catch (cause) {
    if (cause instanceof AuthdError) throw cause;
    const code = errorCode(cause) ?? messageOf(cause);
    const why = code === "ENOENT" && isLink(file) ? "it is a link to nothing" : code;
    throw new AuthdError(
      "internal",
      `${file} can't be written (${why}): is the folder there, on a disk with room, and yours to write?`,
      { cause },
    );
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function quoted(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function fileError(path: string, what: string): AuthdError {
  return new AuthdError("invalid_params", `${path} ${what}.`);
}
