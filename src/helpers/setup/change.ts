/** What `authd helper install` changes, as data: it is recorded, so that `uninstall` undoes exactly that. */
import { type FileChange, file } from "./file.ts";
import { type JsonChange, jsonValue } from "./json-value.ts";
import { type KubeconfigChange, kubeconfig } from "./kubeconfig.ts";
import { type LinesChange, lines } from "./lines.ts";
import { type ProgramChange, program } from "./program.ts";

export type Change = LinesChange | JsonChange | FileChange | ProgramChange | KubeconfigChange;

/** `made`: as it was written. `changed`: somebody changed it since. `gone`: nothing of it is there. */
export type ChangeState = "made" | "changed" | "gone";

/** Members of every kind of change. */
export interface ChangeBase {
  /** The file that is changed. */
  path: string;
  /** The `--for` that it is for, and its credential. */
  target?: string;
  credential?: string;
}

/** One kind of change. */
export interface Kind<C> {
  /** Lists what `make` would add (`+`) and take away (`-`), for a person. */
  preview(change: C): string[];
  /** Lists what `undo` would take away (`-`) and bring back (`+`). */
  undoing(change: C): string[];
  /** Makes it. Returns it with what undoing needs. Throws AuthdError `invalid_params` if it can't be made. */
  make(change: C): C;
  state(change: C): ChangeState;
  /** Takes back what is still as it was written, and leaves what somebody changed since. */
  undo(change: C): void;
}

const kinds: { [Name in Change["kind"]]: Kind<Extract<Change, { kind: Name }>> } = {
  lines,
  json: jsonValue,
  file,
  program,
  kubeconfig,
};

/** Returns the functions for this kind of change. */
export function kindOf({ kind }: Change): Kind<Change> {
  return kinds[kind] as unknown as Kind<Change>;
}

/** True if one takes the place of the other. */
export function isInPlaceOf(one: Change, other: Change): boolean {
  return identity(one) === identity(other);
}

function identity(change: Change): string {
  return JSON.stringify([change.kind, change.path, ...placeIn(change)]);
}

/** Returns where in its file a change is. */
function placeIn(change: Change): readonly (string | undefined)[] {
  switch (change.kind) {
    case "lines":
      return [change.section, change.key];
    case "json":
      return change.at;
    case "kubeconfig":
      return [change.context];
    case "file":
    case "program":
      return [];
  }
}
