/** Finds the URLs and options in arguments of curl, by the options that the installed curl says it has. */
import { AuthdError } from "../../errors.ts";
import { plain } from "../style.ts";

/** Options by their long name. */
export type CurlOptions = ReadonlyMap<string, { short?: string; takesValue: boolean }>;

/** One argument that means something: `at` is where its value, or itself, stands. */
export interface Found {
  /** Long name; "url" also for an argument without an option. */
  name: string;
  value?: string;
  at: number;
}

/** Returns the options that `curl --help all` lists. */
export function parseCurlHelp(text: string): CurlOptions {
  const options = new Map<string, { short?: string; takesValue: boolean }>();
  for (const line of text.split("\n")) {
    const match = /^ *(?:-(\S), )?--([a-z0-9][a-z0-9.-]*)( <)?/.exec(line);
    if (!match) continue;
    const [, short, name = "", value] = match;
    options.set(name, { ...(short && { short }), takesValue: value !== undefined });
  }
  return options;
}

/** Returns all options and URLs in the order of the arguments. Throws AuthdError `invalid_params`. */
export function findCurlOptions(args: readonly string[], options: CurlOptions): Found[] {
  const found: Found[] = [];
  const end = args.indexOf("--");
  const last = end === -1 ? args.length : end;
  let at = 0;
  while (at < last) at = takeWord(args, at, options, found);
  // A "--" that is an option's value ends nothing.
  for (at = Math.max(at, last + 1); at < args.length; at++)
    found.push({ name: "url", value: args[at]!, at });
  return found;
}

/** Adds what one word says, with the word behind it if that is its value. Returns the index of the next word. */
function takeWord(
  args: readonly string[],
  at: number,
  options: CurlOptions,
  found: Found[],
): number {
  const word = args[at]!;
  if (!word.startsWith("-")) {
    found.push({ name: "url", value: word, at });
    return at + 1;
  }
  const named = word.startsWith("--")
    ? [longNamed(word.slice(2), options)]
    : shortNamed(word, options);
  const waiting = named.findLast(({ takesValue, value }) => takesValue && value === undefined);
  if (waiting && at + 1 === args.length) throw invalid(`--${waiting.name} lacks its value`);
  for (const { name, value } of named) found.push({ name, at, ...(value && { value }) });
  if (!waiting) return at + 1;
  Object.assign(found.at(-1)!, { value: args[at + 1], at: at + 1 });
  return at + 2;
}

interface Named {
  name: string;
  takesValue: boolean;
  value?: string;
}

/** Completes a name as curl does: it may be cut off where only one option begins so. */
function longNamed(given: string, options: CurlOptions): Named {
  const known = options.get(given);
  if (known) return { name: given, takesValue: known.takesValue };
  if (given.startsWith("no-")) {
    const { name } = longNamed(given.slice(3), options);
    return { name: `no-${name}`, takesValue: false };
  }
  const [first, ...others] = [...options.keys()].filter((name) => name.startsWith(given));
  if (first === undefined || others.length > 0 || given === "") throw unknown(`--${given}`);
  return { name: first, takesValue: options.get(first)!.takesValue };
}

/** Parts `-sSo FILE`: the first letter that takes a value takes the rest of the word, if there is any. */
function shortNamed(word: string, options: CurlOptions): Named[] {
  const found: Named[] = [];
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    const entry = [...options].find(([, { short }]) => short === letter);
    if (!entry) throw unknown(`-${letter}`);
    const [name, { takesValue }] = entry;
    const rest = word.slice(at + 1);
    if (takesValue) return [...found, { name, takesValue, ...(rest && { value: rest }) }];
    found.push({ name, takesValue });
  }
  if (found.length === 0) throw unknown(word);
  return found;
}

const unknown = (option: string) =>
  invalid(`the curl here has no option ${plain(option)}, or several that begin so`);

export function invalid(text: string): AuthdError {
  return new AuthdError("invalid_params", `authd curl: ${text}`);
}
