const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?/g;
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;
/** Marks that reverse the direction of the text after them. */
const DIRECTIONS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Characters of a quoted text that are shown: its beginning, and more of its end. */
const LONGEST = 120;

/** Removes a terminal's escape codes. */
function stripEscapeCodes(text: string): string {
  return text.replace(ESCAPES, "");
}

/**
 * Returns text of others (an issuer's error, a file's name) on one line, without anything that could
 * control the terminal.
 */
export function stripControlChars(text: string): string {
  return stripEscapeCodes(text).replace(DIRECTIONS, "").replace(CONTROLS, " ").trim();
}

/**
 * Returns one word of others (a program's name, an argument, a scope) so that it can't pass for words
 * of ours in a sentence: in quotes unless it is plain, shortened, and without any character that
 * moves, hides or turns text.
 */
export function quoted(text: string): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
  const short =
    clean.length > LONGEST ? `${clean.slice(0, 40)}…${clean.slice(40 - LONGEST)}` : clean;
  return /^[\w./+@:~%=,-]+$/.test(clean) ? short : JSON.stringify(short);
}
