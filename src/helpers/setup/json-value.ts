/** One text in a JSON settings file of another program. */
import { isTable } from "../../config/json-table.ts";
import { AuthdError } from "../../errors.ts";
import type { ChangeBase, ChangeState, Kind } from "./change.ts";
import { readTextFile, removeTextFile, writeTextFile } from "./text-file.ts";

export interface JsonChange extends ChangeBase {
  kind: "json";
  /** Keys from the outermost on. */
  at: readonly string[];
  value: string;
  /** The text that was there before, once it was replaced. */
  was?: string;
  madeFile?: boolean;
}

type Tree = { [key: string]: unknown };

export const jsonValue: Kind<JsonChange> = {
  preview(change) {
    const { path, at, value } = change;
    const was = valueAt(parse(path), at);
    if (was === value) return [];
    return [...(was === undefined ? [] : [`- ${line(at, was)}`]), `+ ${line(at, value)}`];
  },
  undoing(change) {
    const { at, value, was } = change;
    if (state(change) !== "made") return [];
    return [`- ${line(at, value)}`, ...(was === undefined ? [] : [`+ ${line(at, was)}`])];
  },
  make(change) {
    const { path, at, value } = change;
    const tree = parse(path);
    const was = valueAt(tree, at);
    if (was === value) return change;
    if (was !== undefined && typeof was !== "string")
      throw new AuthdError("invalid_params", `${path}: ${at.join(".")} is no text.`);
    const text = readTextFile(path);
    assertTables(path, tree, at.slice(0, -1));
    put(tree, at, value);
    write(path, tree, text);
    return {
      ...change,
      ...(was === undefined ? {} : { was }),
      ...(text === undefined ? { madeFile: true } : {}),
    };
  },
  state,
  undo(change) {
    const { path, at, value, was, madeFile } = change;
    const tree = parse(path);
    if (valueAt(tree, at) !== value) return;
    if (was === undefined) remove(tree, at);
    else put(tree, at, was);
    if (madeFile && Object.keys(tree).length === 0) removeTextFile(path);
    else write(path, tree, readTextFile(path));
  },
};

const line = (at: readonly string[], value: unknown) =>
  [...at, value].map((each) => JSON.stringify(each)).join(": ");

function state({ path, at, value }: JsonChange): ChangeState {
  const now = valueAt(parse(path), at);
  if (now === value) return "made";
  return now === undefined ? "gone" : "changed";
}

/** Throws AuthdError `invalid_params` for a file that is no JSON object; without a file it is an empty one. */
function parse(path: string): Tree {
  const text = readTextFile(path);
  if (text === undefined || text.trim() === "") return {};
  try {
    const tree = JSON.parse(text);
    if (isTable(tree)) return tree as Tree;
  } catch {
    // Told below.
  }
  throw new AuthdError("invalid_params", `${path} is no JSON object: mend it first.`);
}

function valueAt(tree: Tree, at: readonly string[]): unknown {
  let value: unknown = tree;
  for (const key of at)
    value = isTable(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

/** Throws AuthdError `invalid_params` if something else is where a table is needed. */
function assertTables(path: string, tree: Tree, at: readonly string[]): void {
  for (let depth = 1; depth <= at.length; depth++) {
    const keys = at.slice(0, depth);
    const found = valueAt(tree, keys);
    if (found === undefined || isTable(found)) continue;
    throw new AuthdError("invalid_params", `${path}: ${keys.join(".")} is no object.`);
  }
}

function put(tree: Tree, [key = "", ...below]: readonly string[], value: string): void {
  if (below.length === 0) {
    tree[key] = value;
    return;
  }
  const inner = isTable(tree[key]) ? tree[key] : {};
  tree[key] = inner;
  put(inner as Tree, below, value);
}

/** Removes a value, and every table that is empty without it. */
function remove(tree: Tree, [key = "", ...below]: readonly string[]): void {
  const inner = tree[key];
  if (below.length > 0 && isTable(inner)) remove(inner as Tree, below);
  if (below.length === 0 || (isTable(inner) && Object.keys(inner).length === 0)) delete tree[key];
}

/** Writes the tree with the indentation of the text of before. */
function write(path: string, tree: Tree, before: string | undefined): void {
  const indentation = /^\{\s*\n([ \t]+)/.exec(before ?? "")?.[1] ?? "\t";
  const end = before === undefined || before.endsWith("\n") ? "\n" : "";
  writeTextFile(path, JSON.stringify(tree, null, indentation) + end);
}
