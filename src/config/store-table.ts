/** The table [store] of config.toml, as commands write it. */
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse } from "smol-toml";
import { replaceFileNow } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";
import { AuthdError, errorCode } from "../errors.ts";
import { readSafeFile } from "./safe-file.ts";
import type { StoreSettings } from "./settings.ts";

/** The line that begins the table. */
const TABLE = /^\s*\[\s*(store|"store"|'store')\s*\]/;

/** Adds the table, durably. There is none. */
export function writeStoreTable(dir: string, settings: StoreSettings): void {
  const { url, host, passwordFile, caFile, keyFile, groups } = settings;
  const lines = [`url = ${JSON.stringify(url)}`];
  const files = { password_file: passwordFile, ca_file: caFile, key_file: keyFile };
  const more = { host, ...files, groups };
  for (const [key, value] of Object.entries(more)) {
    if (value !== undefined) lines.push(`${key} = ${JSON.stringify(value)}`);
  }
  const before = read(dir);
  const gap = before === "" || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  write(dir, `${before}${gap}[store]\n${lines.join("\n")}\n`);
}

/**
 * Returns what takes the table out, durably; all else stays as it is. Throws AuthdError `invalid_params`, before anything
 * is changed, if the file names the store in another way than by a table with a line for each setting.
 */
export function storeTableRemoval(dir: string): () => void {
  const before = read(dir);
  const kept: string[] = [];
  let isInside = false;
  for (const line of before.split("\n")) {
    if (/^\s*\[/.test(line)) isInside = TABLE.test(line);
    if (!isInside) kept.push(line);
  }
  while (kept.length > 0 && kept.at(-1) === "") kept.pop();
  const after = kept.map((line) => `${line}\n`).join("");
  if (!isWithout(before, after)) throw unfit(pathOf(dir));
  return () => write(dir, after);
}

/** True if `after` says what `before` does, but for the store. */
function isWithout(before: string, after: string): boolean {
  try {
    const { store: _, ...others } = parse(before);
    return isDeepStrictEqual({ ...parse(after) }, others);
  } catch {
    return false;
  }
}

function unfit(path: string): AuthdError {
  const text = `${path}: the store is not named by a table of its own, [store], with each setting in one line, so that it can't be taken out. Write it so first. Nothing was changed`;
  return new AuthdError("invalid_params", text);
}

const pathOf = (dir: string) => join(dir, "config.toml");

function read(dir: string): string {
  return readSafeFile(pathOf(dir)) ?? "";
}

/** A link stays: what it leads to is replaced. */
function write(dir: string, text: string): void {
  const path = pathOf(dir);
  let target = path;
  try {
    target = realpathSync(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  // A host that had no settings of its own has no folder for them.
  makeFolder(dirname(target), 0o700);
  replaceFileNow(target, text, { sync: "folder" });
}
