/** `helpers.json` of the state folder: what `authd helper install` has changed, for `uninstall` and `list`. */
import { join } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";
import { isTable } from "../../config/json-table.ts";
import { AuthdError } from "../../errors.ts";
import type { Change } from "./change.ts";
import { readTextFile, removeTextFile, writeTextFile } from "./text-file.ts";

/** What was set up for one tool. */
export interface Installed {
  /** The words that run authd, as they were written. */
  command: readonly string[];
  /** In the order in which they were made. */
  changes: readonly Change[];
}

/** By the tool's name. */
export type InstalledTools = Readonly<Record<string, Installed>>;

const recordFile = (stateDir: string) => join(stateDir, "helpers.json");

/** Throws AuthdError `invalid_params` for a file that can't be read. */
export function readInstalled(stateDir: string): InstalledTools {
  const file = recordFile(stateDir);
  const text = readTextFile(file);
  if (text === undefined) return {};
  try {
    const { tools } = JSON.parse(text);
    if (isTable(tools)) return tools as InstalledTools;
  } catch {
    // Told below.
  }
  throw new AuthdError("invalid_params", `${file} is damaged: remove it, then install again.`);
}

/** Replaces the record; a tool without changes is left out. */
export function writeInstalled(stateDir: string, installed: InstalledTools): void {
  const tools = Object.fromEntries(
    Object.entries(installed).filter(([, { changes }]) => changes.length > 0),
  );
  const file = recordFile(stateDir);
  makeFolder(stateDir, 0o700);
  if (Object.keys(tools).length === 0) removeTextFile(file);
  else writeTextFile(file, `${JSON.stringify({ format: 1, tools }, null, 2)}\n`);
}
