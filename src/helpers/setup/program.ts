/** A program of its own name that runs authd, for tools that look for one in the PATH. */
import { basename, delimiter, dirname } from "node:path";
import { shellWord } from "../../base/shell-word.ts";
import { AuthdError } from "../../errors.ts";
import type { Change, ChangeBase, ChangeState, Kind } from "./change.ts";
import { readTextFile, removeTextFile, writeTextFile } from "./text-file.ts";

export interface ProgramChange extends ChangeBase {
  kind: "program";
  /** The words that it stands for; its arguments follow. */
  command: readonly string[];
}

export const program: Kind<ProgramChange> = {
  preview(change) {
    if (state(change) === "made") return [];
    return scriptLines(change).map((line) => `+ ${line}`);
  },
  undoing(change) {
    return state(change) === "made" ? scriptLines(change).map((line) => `- ${line}`) : [];
  },
  make(change) {
    const found = readTextFile(change.path);
    if (found !== undefined && !found.startsWith(HEAD)) {
      const message = `${change.path} is somebody else's: move it away, then install again.`;
      throw new AuthdError("invalid_params", message);
    }
    if (state(change) !== "made") {
      removeTextFile(change.path);
      writeTextFile(change.path, script(change), 0o755);
    }
    return change;
  },
  state,
  undo(change) {
    if (state(change) === "made") removeTextFile(change.path);
  },
};

/** Returns why no tool finds the program; undefined if its folder is in the PATH. */
export function whyNotFound(change: Change, path = ""): string | undefined {
  if (change.kind !== "program") return undefined;
  const folder = dirname(change.path);
  if (path.split(delimiter).includes(folder)) return undefined;
  return `${basename(change.path)} is not found: ${folder} is not in the PATH`;
}

const HEAD = "#!/bin/sh\n# Made by authd helper install";

function script({ command }: ProgramChange): string {
  return `${HEAD}; authd helper uninstall removes it.\nexec ${command.map(shellWord).join(" ")} "$@"\n`;
}

const scriptLines = (change: ProgramChange) => script(change).trimEnd().split("\n");

function state(change: ProgramChange): ChangeState {
  const found = readTextFile(change.path);
  if (found === undefined) return "gone";
  return found === script(change) ? "made" : "changed";
}
