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

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?/g;
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;
/** Marks that reverse the direction of the text after them. */
const DIRECTIONS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text of others (an issuer's error, a file's name) on one line, with nothing in it that could
 * steer the terminal.
 */
export function plain(text: string): string {
  return text.replace(ESCAPES, "").replace(DIRECTIONS, "").replace(CONTROLS, " ").trim();
}

/** How many columns `text` takes, escape codes not counted; every character counts as one. */
export function width(text: string): number {
  return [...text.replace(ESCAPES, "")].length;
}

/** Cut to `columns`, with "…" as the last of them if something is missing. Takes unpainted text. */
export function cut(text: string, columns: number): string {
  const characters = [...text];
  if (characters.length <= columns) return text;
  return columns < 1 ? "" : `${characters.slice(0, columns - 1).join("")}…`;
}
