import { unpainted } from "../base/terminal-safe.ts";

export { stripControlChars as plain } from "../base/terminal-safe.ts";

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof CODES;
/** Wraps text in a style's escape codes, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Colours for a terminal only; FORCE_COLOR and NO_COLOR decide before that. */
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

/** How many columns `text` takes, escape codes not counted; every character counts as one. */
export function width(text: string): number {
  return [...unpainted(text)].length;
}

/** Cut to `columns`, with "…" as the last of them if something is missing. Takes unpainted text. */
export function cut(text: string, columns: number): string {
  const characters = [...text];
  if (characters.length <= columns) return text;
  return columns < 1 ? "" : `${characters.slice(0, columns - 1).join("")}…`;
}
