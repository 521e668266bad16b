/** Lines in a settings file of another program, inside a section such as `[credential]`, or at its end. */
import { tomlTable } from "../../config/toml.ts";
import { AuthdError } from "../../errors.ts";
import type { ChangeBase, ChangeState, Kind } from "./change.ts";
import { sectionOf } from "./sections.ts";
import { readTextFile, removeTextFile, writeTextFile } from "./text-file.ts";

export interface LinesChange extends ChangeBase {
  kind: "lines";
  /** The section's header line; absent: the lines are put before the first section. */
  section?: string;
  lines: readonly string[];
  /** The key that they set. */
  key: string;
  /** True if the section can have the key once only: one that is there is in the way. */
  once?: boolean;
  /** True for lines that people write as well: if they are there already, undoing leaves them. */
  isCommon?: boolean;
  /** True if they were there already. */
  wasThere?: boolean;
  /** The very text that was added, once it was. */
  added?: string;
  /** True if the file was not there before. */
  madeFile?: boolean;
}

export const lines: Kind<LinesChange> = {
  preview(change) {
    if (state(change) === "made") return [];
    const { before, added } = insertion(change, readTextFile(change.path) ?? "");
    const isInside =
      before !== "" && change.section !== undefined && !added.includes(change.section);
    return [
      ...(isInside ? [`  ${change.section}`] : []),
      ...added
        .split("\n")
        .filter(Boolean)
        .map((line) => `+ ${line}`),
    ];
  },
  undoing(change) {
    if (change.wasThere) return [];
    const body = bodyOf(change);
    return change.lines.filter((line) => body.includes(line)).map((line) => `- ${line}`);
  },
  make(change) {
    if (state(change) === "made") return change.isCommon ? { ...change, wasThere: true } : change;
    const text = readTextFile(change.path);
    assertFree(change);
    const { before, added, after } = insertion(change, text ?? "");
    if (change.path.endsWith(".toml")) assertToml(change, before + added + after);
    writeTextFile(change.path, before + added + after);
    return { ...change, added, ...(text === undefined ? { madeFile: true } : {}) };
  },
  state,
  undo(change) {
    if (change.wasThere) return;
    const text = readTextFile(change.path);
    if (text === undefined) return;
    const rest = without(change, text);
    if (rest.trim() === "" && change.madeFile) removeTextFile(change.path);
    else if (rest !== text) writeTextFile(change.path, rest);
  },
};

function state(change: LinesChange): ChangeState {
  const body = bodyOf(change);
  const found = change.lines.filter((line) => body.includes(line)).length;
  if (found === change.lines.length) return "made";
  return found === 0 ? "gone" : "changed";
}

function bodyOf(change: LinesChange): readonly string[] {
  return sectionOf(change.section, (readTextFile(change.path) ?? "").split("\n")).body;
}

/** Returns the text around the new lines, and what is added. */
function insertion(change: LinesChange, text: string) {
  const all = text.split("\n");
  const { start, end, body } = sectionOf(change.section, all);
  const isAtEnd = change.section === undefined && end === all.length;
  if (isAtEnd || start === -1) return appended(change, text);
  const blank = body.toReversed().findIndex((line) => line.trim() !== "");
  return inserted(change.lines, all, blank === -1 ? start : end - blank);
}

/** Adds the lines behind the text, under their section's header if they have one. */
function appended({ section, lines }: LinesChange, text: string) {
  const gap = text === "" || text.endsWith("\n") ? "" : "\n";
  const header = section === undefined ? [] : [section];
  const space = text === "" || section === undefined ? "" : "\n";
  const added = `${gap}${space}${[...header, ...lines, ""].join("\n")}`;
  return { before: text, added, after: "" };
}

/** Adds the lines in front of the line with this index. */
function inserted(lines: readonly string[], all: readonly string[], at: number) {
  const before = all.slice(0, at).join("\n");
  const added = `${lines.join("\n")}\n`;
  if (at === all.length) return { before, added: `\n${added}`, after: "" };
  return { before: at === 0 ? "" : `${before}\n`, added, after: all.slice(at).join("\n") };
}

/** Throws AuthdError `invalid_params` if the tool could not read its settings any more. */
function assertToml({ path, section, lines }: LinesChange, text: string): void {
  try {
    tomlTable(path, text);
  } catch {
    const wanted = [...(section === undefined ? [] : [section]), ...lines].join("\n");
    throw new AuthdError(
      "invalid_params",
      `${path} would be no valid TOML then, or is none now: write this into it by hand:\n${wanted}`,
    );
  }
}

/** Throws AuthdError `invalid_params` if the section has the key already, and can have it only once. */
function assertFree(change: LinesChange): void {
  const { path, section, key, once, lines: wanted } = change;
  const isOther = (line: string) => {
    const text = line.trim();
    return (
      text.startsWith(key) && /^\s*[=:]/.test(text.slice(key.length)) && !wanted.includes(line)
    );
  };
  if (!once || !bodyOf(change).some(isOther)) return;
  const where = section === undefined ? "" : ` in ${section}`;
  throw new AuthdError(
    "invalid_params",
    `${path} has another ${key}${where} already: remove it, then install again.`,
  );
}

/** Returns the text without what was added: all of it if it stands there as it was written, else line by line. */
function without(change: LinesChange, text: string): string {
  const { added } = change;
  const at = added ? text.indexOf(added) : -1;
  if (added && at !== -1 && change.lines.every((line) => added.includes(line))) {
    const after = text.slice(at + added.length);
    // Lines that somebody put behind ours in our section, or in our list, stay with its header.
    const isOurs = ownsHeader(change) ? /^\s*(\[|$)/.test(after) : !isContinued(change, after);
    if (isOurs) return text.slice(0, at) + after;
  }
  const all = text.split("\n");
  const { start, end, body } = sectionOf(change.section, all);
  if (start === -1) return text;
  const left = change.lines.reduceRight<string[]>(
    (rest, line) => {
      const index = rest.indexOf(line);
      const isNeeded = line === change.lines[0] && isContinued(change, rest[index + 1] ?? "");
      return index === -1 || isNeeded ? rest : rest.toSpliced(index, 1);
    },
    [...body],
  );
  const isEmpty = left.every((line) => line.trim() === "");
  const headerEnd = ownsHeader(change) && isEmpty ? start - 1 : start;
  return [...all.slice(0, headerEnd), ...left, ...all.slice(end)].join("\n");
}

/** True if what follows our lines belongs to the list (YAML) that they begin. */
function isContinued({ lines }: LinesChange, after: string): boolean {
  const isList = /^\S/.test(lines[0] ?? "") && /^\s/.test(lines[1] ?? "");
  return isList && /^[ \t]+\S/.test(after);
}

const ownsHeader = ({ added, section }: LinesChange) =>
  section !== undefined && (added?.split("\n").includes(section) ?? false);
