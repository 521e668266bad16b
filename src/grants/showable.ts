/** Makes text of others fit to be shown in a terminal and a log. */
import { reveals } from "./redaction.ts";

/** Characters. */
const MAX_LENGTH = 200;

/**
 * Returns text on one line without control characters, at most 200 characters, cut at a word. Undefined if it
 * is empty, repeats one of `hidden`, or may hold another token.
 */
export function showable(text: unknown, hidden: readonly string[]): string | undefined {
  if (typeof text !== "string") return undefined;
  const clean = text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  // Text that looks like a JWT, and long runs that could be another token, are not shown.
  const tokenLike = /eyJ[\w-]{8,}\.|[\w+/=.~-]{48,}/.test(clean);
  if (clean === "" || tokenLike || reveals(text, hidden)) return undefined;
  return shortened(clean);
}

/** Returns the text with at most 200 characters, cut after a word if one ends in the second half. */
export function shortened(text: string): string {
  const letters = Array.from(text);
  if (letters.length <= MAX_LENGTH) return text;
  const cut = letters.slice(0, MAX_LENGTH - 1).join("");
  const atWord = letters[MAX_LENGTH - 1] === " " ? cut : cut.replace(/\s+\S*$/u, "");
  return `${(atWord.length > cut.length / 2 ? atWord : cut).trimEnd()}…`;
}
