/** A program of its own name that runs authd, for tools that take no arguments or look for one in the PATH. */
import { existsSync, lstatSync, realpathSync } from "node:fs";
import { basename, delimiter, dirname } from "node:path";
import { shellWord } from "../../base/shell-word.ts";
import { AuthdError } from "../../errors.ts";
import type { Change, ChangeBase, ChangeState, Kind } from "./change.ts";
import { readTextFile, removeTextFile, writeTextFile } from "./text-file.ts";

export interface ProgramChange extends ChangeBase {
  kind: "program";
  /** The words that it stands for; its arguments follow. */
  command: readonly string[];
  /** True if the tool knows its path, and does not look for it in the PATH. */
  isNamedByPath?: boolean;
}

export const program: Kind<ProgramChange> = {
  preview(change) {
    if (state(change) === "made") return [];
    return scriptLines(change).map((line) => `+ ${line}`);
  },
  undoing(change) {
    return isScript(change) ? scriptLines(change).map((line) => `- ${line}`) : [];
  },
  make(change) {
    if (state(change) === "made") return change;
    const found = readTextFile(change.path);
    if (found !== undefined && !found.startsWith(HEAD)) {
      const message = `${change.path} is somebody else's: move it away, then install again.`;
      throw new AuthdError("invalid_params", message);
    }
    removeTextFile(change.path);
    writeTextFile(change.path, script(change), 0o755);
    return change;
  },
  state,
  undo(change) {
    if (isScript(change)) removeTextFile(change.path);
  },
};

/** Returns why no tool finds the program; undefined if its folder is in the PATH, or need not be. */
export function whyNotFound(change: Change, path = ""): string | undefined {
  if (change.kind !== "program" || change.isNamedByPath) return undefined;
  const folder = dirname(change.path);
  if (path.split(delimiter).includes(folder)) return undefined;
  return `${basename(change.path)} is not found: ${folder} is not in the PATH`;
}

const HEAD = "#!/bin/sh\n# Made by authd helper install";

function script({ command }: ProgramChange): string {
  return `${HEAD}; authd helper uninstall removes it.\nexec ${command.map(shellWord).join(" ")} "$@"\n`;
}

const scriptLines = (change: ProgramChange) => script(change).trimEnd().split("\n");

/** A link to the native command, which `authd service install` makes, does as well, and is not ours to remove. */
function state(change: ProgramChange): ChangeState {
  if (isScript(change) || isLink(change)) return "made";
  return readTextFile(change.path) === undefined ? "gone" : "changed";
}

function isScript(change: ProgramChange): boolean {
  return readTextFile(change.path) === script(change);
}

/** True for a link to the program that is to be run: it knows by its name what it stands for. */
function isLink({ path, command }: ProgramChange): boolean {
  const [program = ""] = command;
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (!link?.isSymbolicLink() || !existsSync(path) || !existsSync(program)) return false;
  return command[1] === "helper" && realpathSync(path) === realpathSync(program);
}
