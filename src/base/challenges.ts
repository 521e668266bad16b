/** Reads the challenges of a WWW-Authenticate header (RFC 9110 section 11.6.1). */

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By name in lower case; of a repeated one the first. */
  readonly parameters: Readonly<Record<string, string>>;
}

const SEPARATORS = /[\s,]*/y;
const SPACES = /[ \t]*/y;
const TOKEN = /[!#$%&'*+.^`|~\w-]+/y;
const REST_OF_ITEM = /[^,]*/y;

/** Returns the header of a response as one text, however often it is there; empty if it is not. */
export function challengeHeader(headers: Readonly<Record<string, string | string[] | undefined>>) {
  return [headers["www-authenticate"] ?? []].flat().join(", ");
}

/** Returns the challenges in their order; what is malformed is left out. Takes time linear in the length. */
export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  const reader = new Reader(header);
  while (!reader.isAtEnd) {
    reader.take(SEPARATORS);
    const name = reader.take(TOKEN).toLowerCase();
    const isParameter = name !== "" && reader.takesEquals();
    if (name !== "" && !isParameter) {
      found.push({ scheme: name, parameters: Object.create(null) });
      continue;
    }
    const value = reader.isAtQuote ? reader.takeQuoted() : reader.take(TOKEN);
    // Without an end of a quoted text, nothing after it can be told from it.
    if (value === undefined) return found;
    const parameters = found.at(-1)?.parameters;
    if (name !== "" && value !== "" && parameters) parameters[name] ??= value;
    reader.take(REST_OF_ITEM);
  }
  return found;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  get isAtQuote(): boolean {
    return this.#text[this.#at] === '"';
  }

  /** Returns what a sticky expression matches here; empty if it does not. */
  take(expression: RegExp): string {
    expression.lastIndex = this.#at;
    const [match = ""] = expression.exec(this.#text) ?? [];
    this.#at += match.length;
    return match;
  }

  takesEquals(): boolean {
    this.take(SPACES);
    if (this.#text[this.#at] !== "=") return false;
    this.#at++;
    this.take(SPACES);
    return true;
  }

  /** Returns a quoted text without its quotes and escapes; undefined if it has no end. */
  takeQuoted(): string | undefined {
    let value = "";
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      if (this.#text[at] === '"') {
        this.#at = at + 1;
        return value;
      }
      if (this.#text[at] === "\\") at++;
      value += this.#text[at] ?? "";
    }
    return undefined;
  }
}
