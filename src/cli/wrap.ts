/** Breaks long text between words, before a terminal breaks it inside of them. */
import { width } from "./style.ts";

/** Columns that are left for a text beside its head; with fewer it begins below. */
const LEAST_ROOM = 16;
const INDENT = "    ";

/** Breaks `text`, painted or not, into lines of at most `columns`. A longer word has a line of its own. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && width(longer) > columns) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** Lays out `text` beside `head`, with what does not fit into `columns` below its beginning. */
export function hanging(head: string, text: string, columns: number): string[] {
  const at = width(head) + 1;
  if (at + width(text) <= columns) return [`${head} ${text}`];
  if (columns - at < LEAST_ROOM) {
    const below = wrap(text, columns - INDENT.length).map((line) => `${INDENT}${line}`);
    return head.trim() === "" ? below : [head.trimEnd(), ...below];
  }
  const [first = "", ...rest] = wrap(text, columns - at);
  return [`${head} ${first}`, ...rest.map((line) => " ".repeat(at) + line)];
}
