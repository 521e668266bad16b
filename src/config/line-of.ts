/** Finds the line of a mistake in a TOML file: its parser tells no place of what it has understood. */

const TABLE = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/;
const KEY = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/;
/** A key in a message, such as `token_url`, `allow[2].executable` or `allow.1.executable`. */
const NAME = /[A-Za-z_][\w-]*(?:\[\d+\]|\.[\w-]+)*/g;

/**
 * Returns the line (from 1) of the first key that `message` names, or of the table around it; undefined if
 * none of its words is a key of `text`. Keys inside of multi-line values are taken for keys.
 */
export function lineOf(text: string, message: string): number | undefined {
  const lines = keyLines(text);
  for (const [name] of message.matchAll(NAME)) {
    for (let path = spelled(name); path !== ""; path = path.replace(/(\[\d+\]|\.?[^.[\]]+)$/, "")) {
      const line = lines.get(path);
      if (line !== undefined) return line;
    }
  }
  return undefined;
}

/** Returns the line of each key and table by its path; entries of lists of tables are counted from 1. */
function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  const counts = new Map<string, number>();
  let table = "";
  for (const [index, line] of text.split("\n").entries()) {
    const [, bracket, header] = TABLE.exec(line) ?? [];
    const [, key] = KEY.exec(line) ?? [];
    if (header !== undefined) table = tablePath(bare(header), bracket === "[[", counts);
    const path = header !== undefined ? table : key && joined(table, bare(key));
    if (path && !lines.has(path)) lines.set(path, index + 1);
  }
  return lines;
}

/** Returns the path of a table, and counts it in `counts`. */
function tablePath(name: string, isListed: boolean, counts: Map<string, number>): string {
  const count = (counts.get(name) ?? 0) + 1;
  counts.set(name, count);
  return isListed ? `${name}[${count}]` : name;
}

const bare = (key: string) => key.replace(/["'\s]/g, "");
const joined = (table: string, key: string) => (table === "" ? key : `${table}.${key}`);
/** Spells a path of zod, which counts from 0 and writes `allow.0`. */
const spelled = (name: string) =>
  name.replace(/\.(\d+)(?=\.|$)/g, (_, at) => `[${Number(at) + 1}]`);
