const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?/g;
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;
/** Marks that reverse the direction of the text after them. */
const DIRECTIONS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Without a terminal's escape codes. */
export function unpainted(text: string): string {
  return text.replace(ESCAPES, "");
}

/**
 * Text of others (an issuer's error, a file's name) on one line, with nothing in it that could
 * steer the terminal.
 */
export function plain(text: string): string {
  return unpainted(text).replace(DIRECTIONS, "").replace(CONTROLS, " ").trim();
}
