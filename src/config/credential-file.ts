/** The files `credentials/NAME.toml` of the configuration folder. */

import { realpathSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { replaceFileNow, syncFolderNow } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import type { Table } from "./json-table.ts";
import { assertCredentialName } from "./name.ts";
import { isLink, listSafeFolder, readSafeFile } from "./safe-file.ts";
import { readTomlFile } from "./toml.ts";

const SUFFIX = ".toml";

/**
 * Returns the names that have a credential file, sorted, also those that no credential can have.
 * Hidden files are an editor's, and other endings are none of ours. Throws as `listSafeFolder` does.
 */
export function credentialFileNames(configDir: string): string[] {
  const entries = listSafeFolder(join(configDir, "credentials")) ?? [];
  return entries
    .filter((entry) => entry.endsWith(SUFFIX) && !entry.startsWith("."))
    .sort()
    .map((entry) => basename(entry, SUFFIX));
}

/**
 * Writes `credentials/NAME.toml`, whole or not at all. A link stays, and its target is replaced.
 * Throws AuthdError `internal`.
 */
export function writeCredentialFile(configDir: string, name: string, text: string): void {
  const file = credentialFile(configDir, name);
  changing(file, () => {
    makeFolder(dirname(file), 0o700);
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

/** Reads `credentials/NAME.toml`; undefined if there is none. Throws as `readTomlFile` does. */
export function readCredentialFile(configDir: string, name: string): Table | undefined {
  return readTomlFile(credentialFile(configDir, name));
}

/** Returns the text of `credentials/NAME.toml`, to put it back; undefined if there is none. */
export function credentialFileAsItIs(configDir: string, name: string): string | undefined {
  return readSafeFile(credentialFile(configDir, name));
}

/** Returns the path of `credentials/NAME.toml`. Throws AuthdError `invalid_params` for a bad name. */
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
