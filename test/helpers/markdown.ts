import { readFileSync } from "node:fs";

/** A document of the package, such as `docs/protocol.md`, with what stands in its fenced blocks. */
export interface Document {
  text: string;
  /** The part under a heading, up to the next one of its rank or above. Throws if there is none. */
  section(heading: string): Document;
  /** The contents of fenced blocks of a language, in order. */
  blocks(language: string): string[];
}

export function readDocument(path: string): Document {
  return documentOf(readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8"));
}

function documentOf(text: string): Document {
  return {
    text,
    section(heading) {
      const lines = text.split("\n");
      const start = lines.findIndex(
        (line) => line.replace(/^#+ /, "") === heading && /^#/.test(line),
      );
      if (start < 0) throw new Error(`there is no heading "${heading}"`);
      const rank = /^#+/.exec(lines[start]!)![0].length;
      const fenced = fences(lines);
      const end = lines.findIndex(
        (line, index) =>
          index > start &&
          !fenced.has(index) &&
          (/^#+(?= )/.exec(line)?.[0] ?? "#######").length <= rank,
      );
      return documentOf(lines.slice(start, end < 0 ? undefined : end).join("\n"));
    },
    blocks(language) {
      const fence = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm");
      return Array.from(text.matchAll(fence), (match) => match[1]!);
    },
  };
}

/** The lines inside fenced blocks, where `#` begins a comment. */
function fences(lines: readonly string[]): Set<number> {
  const inside = new Set<number>();
  let open = false;
  for (const [index, line] of lines.entries()) {
    if (line.startsWith("```")) open = !open;
    else if (open) inside.add(index);
  }
  return inside;
}
