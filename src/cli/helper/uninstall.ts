import { stateDir } from "../../config/directories.ts";
import { kindOf } from "../../helpers/setup/change.ts";
import { readInstalled, writeInstalled } from "../../helpers/setup/record.ts";
import { print } from "../output.ts";
import { rowOf } from "./tools.ts";

/** Takes back what `install` wrote, and leaves what somebody changed since. */
export function uninstall(tool: string): void {
  rowOf(tool);
  const dir = stateDir(process.env);
  const { [tool]: entry, ...others } = readInstalled(dir);
  if (!entry) print(`${tool} was not set up by authd helper install: nothing to undo.`);
  for (const change of entry?.changes.toReversed() ?? []) {
    const kind = kindOf(change);
    const lines = kind.undoing(change);
    if (kind.state(change) !== "made") print(`${change.path} was changed since: that stays.`);
    if (lines.length > 0) print(`${change.path}:`, ...lines.map((line) => `  ${line}`));
    kind.undo(change);
  }
  if (entry) writeInstalled(dir, others);
}
