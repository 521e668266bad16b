/** A whole file of authd's, such as a plugin of a tool. */
import { AuthdError } from "../../errors.ts";
import type { ChangeBase, ChangeState, Kind } from "./change.ts";
import { readTextFile, removeTextFile, writeTextFile } from "./text-file.ts";

export interface FileChange extends ChangeBase {
  kind: "file";
  content: string;
}

export const file: Kind<FileChange> = {
  preview(change) {
    return state(change) === "made" ? [] : linesOf(change).map((line) => `+ ${line}`);
  },
  undoing(change) {
    return state(change) === "made" ? linesOf(change).map((line) => `- ${line}`) : [];
  },
  make(change) {
    if (state(change) === "changed") {
      const message = `${change.path} is there already, with other content: move it away, then install again.`;
      throw new AuthdError("invalid_params", message);
    }
    if (state(change) === "gone") writeTextFile(change.path, change.content, 0o644);
    return change;
  },
  state,
  undo(change) {
    if (state(change) === "made") removeTextFile(change.path);
  },
};

const linesOf = ({ content }: FileChange) => content.trimEnd().split("\n");

function state({ path, content }: FileChange): ChangeState {
  const found = readTextFile(path);
  if (found === undefined) return "gone";
  return found === content ? "made" : "changed";
}
