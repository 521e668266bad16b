import stringWidth from "fast-string-width";

export { stripControlChars as plain } from "../base/terminal-safe.ts";

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  whiteOnBlack: ["97;40", "39;49"],
} as const;

export type Style = keyof typeof CODES;
/** Wraps text in a style's escape codes, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Returns a painter with colours for a terminal only, unless FORCE_COLOR or NO_COLOR decides. */
export function painter(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Paint {
  return wantsColour(stream, env)
    ? (style, text) => `\x1b[${CODES[style][0]}m${text}\x1b[${CODES[style][1]}m`
    : (_style, text) => text;
}

function wantsColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env.FORCE_COLOR !== undefined) return !["0", "false"].includes(env.FORCE_COLOR);
  if (env.NO_COLOR) return false;
  return stream.isTTY === true && env.TERM !== "dumb";
}

/** Returns how many columns `text` takes on a terminal; escape codes take none. */
export function width(text: string): number {
  return stringWidth(text);
}

const END_OF_STYLES = "\x1b[0m";
/** An escape code that changes a style, or one character. */
const PIECES = /\x1b\[[\d;]*m|./gsu;

/** Cuts `text`, painted or not, to `columns`, with "…" as the last of them if something is missing. */
export function cut(text: string, columns: number): string {
  if (columns < 1) return "";
  if (width(text) <= columns) return text;
  let kept = "";
  let left = columns - 1;
  for (const [piece] of text.matchAll(PIECES)) {
    left -= width(piece);
    if (left < 0) break;
    kept += piece;
  }
  return `${kept}…${text.includes("\x1b") ? END_OF_STYLES : ""}`;
}
