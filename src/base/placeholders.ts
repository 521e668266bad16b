/**
 * The syntax of templates: `{field}`, `{secret.name}` and `{token}`, through functions where the template names
 * them, `{secret.password|sha256|base64}`. Directly before a word braces go in pairs: each `{{` is a brace, and the
 * odd one opens a placeholder. All other braces stay as they are.
 */

/** One function of a placeholder, with the name of the value after its colon. */
interface Step {
  name: string;
  argument?: string;
}

/** A placeholder of a template, taken apart. */
export interface Placeholder {
  /** The placeholder as it is written, with its braces. */
  text: string;
  name: string;
  steps: readonly Step[];
}

/** A piece of a template: text as it is meant, or a placeholder. */
export type Part = string | Placeholder;

const NAME = "[A-Za-z0-9_-]+(?:\\.[A-Za-z0-9_-]+)*";
const WHOLE_NAME = new RegExp(`^${NAME}$`);

/** Matches braces directly before a word; if they open a placeholder, with its name, its functions and its end. */
const BRACES = new RegExp(
  `(?<!\\{)(\\{+)(?:((${NAME})((?: *\\|[^{}]*)?)\\})|(?=[A-Za-z0-9_-]))`,
  "g",
);

/** True for a text that can be the name of a value. */
export function isName(text: string): boolean {
  return WHOLE_NAME.test(text);
}

/** Takes a template apart. */
export function partsOf(text: string): Part[] {
  if (!text.includes("{")) return [text];
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(BRACES)) {
    const [whole, braces = "", rest = "", name, functions] = match;
    const at = match.index;
    const isOpen = braces.length % 2 === 1;
    const literal = text.slice(end, at) + "{".repeat(Math.floor(braces.length / 2));
    if (!isOpen) parts.push(literal + rest);
    else if (name === undefined) parts.push(`${literal}{`);
    else parts.push(literal, parse(`{${rest}`, name, functions));
    end = at + whole.length;
  }
  return [...parts, text.slice(end)];
}

/** Returns the template of these parts, as `partsOf` would read it. */
export function templateOf(parts: readonly Part[]): string {
  const texts: string[] = [];
  let literal = "";
  for (const part of parts) {
    if (typeof part === "string") literal += part;
    else {
      texts.push(escaped(literal).replace(/(?<!\{)\{+$/, doubled), part.text);
      literal = "";
    }
  }
  return [...texts, escaped(literal)].join("");
}

/** Doubles the braces of a text that would be read as a pair, or as a placeholder. */
function escaped(literal: string): string {
  return literal.replace(BRACES, (whole, braces: string, rest = "") =>
    braces.length === 1 && rest === "" ? whole : doubled(braces) + rest,
  );
}

const doubled = (braces: string) => braces.repeat(2);

/** Returns the placeholders of a text in order, whether their names are declared or not. */
export function placeholders(text: string): Placeholder[] {
  return partsOf(text).filter((part) => typeof part !== "string");
}

/** Text after a brace that begins as a placeholder does, but is none. */
interface NearPlaceholder {
  text: string;
  /** Everything before its functions, as it is written. */
  name: string;
  /** The word with which the name begins. */
  word: string;
}

/** Matches a brace that is not doubled, a word, and the rest up to the end of the braces. */
const WORD_IN_BRACES = /(?<!\{)(?:\{\{)*(\{(([A-Za-z0-9_-]+)[^{}|]*)[^{}]*\})/g;
/** Matches a secret or kept value after spaces, or without an end: no other language has such a text. */
const SURELY_MEANT = /(?<!\{)(?:\{\{)*(\{(\s*(secret|kept)\.[^{}|]*)[^{}]*\}?)/g;

/** Returns the texts that begin as placeholders do but are none, such as `{secret:key}`. */
export function nearPlaceholders(text: string): NearPlaceholder[] {
  if (!text.includes("{")) return [];
  const found = [WORD_IN_BRACES, SURELY_MEANT].flatMap((pattern) => [...text.matchAll(pattern)]);
  return found.flatMap(([, whole = "", name = "", word = ""]) =>
    placeholders(whole).length > 0 ? [] : [{ text: whole, name, word }],
  );
}

function parse(text: string, name: string, functions = ""): Placeholder {
  const steps = functions.split("|").slice(1);
  return { text, name, steps: steps.map((step) => parseStep(step.trim())) };
}

function parseStep(step: string): Step {
  const colon = step.indexOf(":");
  if (colon === -1) return { name: step };
  return { name: step.slice(0, colon), argument: step.slice(colon + 1) };
}

/** Returns the names that a placeholder needs values of. */
export function namesOf({ name, steps }: Placeholder): string[] {
  return [name, ...steps.flatMap(({ argument }) => argument ?? [])];
}
