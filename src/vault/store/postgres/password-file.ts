/** The passwords of `~/.pgpass`, by the rules of PostgreSQL's own programs (libpq-pgpass). */

import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { readRegularFile } from "../../../base/regular-file.ts";
import { errorCode, messageOf } from "../../../errors.ts";
import { StoreRefusal } from "../store-refusal.ts";

const MAX_BYTES = 1024 * 1024;
/** Rights of others than the owner. */
const OTHERS = 0o077;
/** A character, with the backslash that escapes it. */
const CHARACTER = /\\?./gs;

/** What a password is for. */
export interface Login {
  host: string;
  port: number;
  database: string;
  user: string;
}

export const passwordFile = () => join(homedir(), ".pgpass");

/** Returns the password of the first line that fits, if there is one. Throws StoreRefusal if the file can't be used. */
export function passwordIn(file: string, login: Login): string | undefined {
  const { host, port, database, user } = login;
  // A server on a Unix socket is one of this machine.
  const hosts = host.startsWith("/") ? [host, "localhost"] : [host];
  const wanted = [hosts, [String(port)], [database], [user]];
  const found = linesOf(file)
    .map(fieldsOf)
    .find((fields) => wanted.every((values, at) => ["*", ...values].includes(fields[at] ?? "")));
  return found?.[4] || undefined;
}

/** Colons part fields, unless they are escaped. */
function fieldsOf(line: string): string[] {
  const fields = [""];
  for (const [character] of line.matchAll(CHARACTER)) {
    if (character === ":") fields.push("");
    else fields[fields.length - 1] += character.slice(-1);
  }
  return fields;
}

function linesOf(file: string): string[] {
  const lines = textOf(file).split(/\r?\n/);
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

function textOf(file: string): string {
  try {
    const mode = statSync(file).mode & OTHERS;
    if (mode === 0 || process.platform === "win32") {
      return readRegularFile(file, MAX_BYTES, { followLinks: true }).toString();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw new StoreRefusal(`${file} can't be read: ${messageOf(error)}`);
  }
  throw new StoreRefusal(`${file} is not used, as others may read it: chmod 600 ${file}`);
}
