/** The table [store] of config.toml, as commands write it. */
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { replaceFileNow } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";
import { errorCode } from "../errors.ts";
import { readSafeFile } from "./safe-file.ts";
import type { StoreSettings } from "./settings.ts";

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

/** Takes the table out, durably; all else stays as it is. */
export function removeStoreTable(dir: string): void {
  const kept: string[] = [];
  let isInside = false;
  for (const line of read(dir).split("\n")) {
    if (/^\s*\[/.test(line)) isInside = /^\s*\[store\]/.test(line);
    if (!isInside) kept.push(line);
  }
  while (kept.length > 0 && kept.at(-1) === "") kept.pop();
  write(dir, kept.map((line) => `${line}\n`).join(""));
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
