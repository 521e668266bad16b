import { AuthdError } from "../errors.ts";

/** Limits of a JSON text's structure, whatever its bytes. */
export interface JsonLimits {
  /** RFC 8259 section 2: brackets, braces, colons, commas, strings, numbers and literals. */
  tokens: number;
  /** Arrays and objects inside one another. */
  depth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** Kind of each byte, so that the loop below looks at each byte once. */
const kinds = { word: 0, space: 1, opening: 2, closing: 3, separator: 4, quote: 5 } as const;
const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (SPACE.has(byte)) return kinds.space;
  if (OPENING.has(byte)) return kinds.opening;
  if (CLOSING.has(byte)) return kinds.closing;
  if (byte === COMMA || byte === COLON) return kinds.separator;
  return byte === QUOTE ? kinds.quote : kinds.word;
});

/** Tokens that begin with a byte of each kind: none with white space. */
const TOKENS = [1, 0, 1, 1, 1, 1];
/** Levels by which a byte of each kind changes the depth. */
const NESTING = [0, 0, 1, -1, 0, 0];

/** A string is read byte by byte up to this many; then the next quote is searched for, which is faster. */
const SEARCH_AFTER_BYTES = 32;

/**
 * Counts the tokens and the depth of a JSON text while its bytes arrive, so that a text over the
 * limits is refused before it is kept, parsed or validated. It does not check that the text is JSON.
 */
export class JsonBounds {
  readonly #limits: JsonLimits;
  #bytes = 0;
  #tokens = 0;
  #depth = 0;
  #deepest = 0;
  #inString = false;
  /** The byte before was a backslash that escapes the next one. */
  #escaped = false;
  /** Inside a number or a literal. */
  #inWord = false;

  constructor(limits: JsonLimits) {
    this.#limits = limits;
  }

  /** True if a text of so many bytes stays within any limits: it needs no scan. */
  isSmall(bytes: number): boolean {
    return bytes <= Math.min(this.#limits.tokens, 2 * this.#limits.depth);
  }

  /** Begins the next text. */
  reset(): void {
    this.#bytes = 0;
    this.#tokens = 0;
    this.#depth = 0;
    this.#deepest = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#inWord = false;
  }

  /**
   * Takes the next bytes of the text. Throws AuthdError `request_too_large`, never for a small text,
   * so that a text is judged alike in one piece and in many.
   */
  scan(bytes: Buffer): void {
    this.#bytes += bytes.length;
    const { tokens: maxTokens, depth: maxDepth } = this.#limits;
    const mayRefuse = !this.isSmall(this.#bytes);
    let [tokens, depth, inWord] = [this.#tokens, this.#depth, this.#inWord];
    let at = this.#inString ? this.#stringEnd(bytes, 0) : 0;
    while (at < bytes.length) {
      const kind = KIND[bytes[at]!]!;
      at++;
      const isWord = kind === kinds.word;
      tokens += isWord && inWord ? 0 : TOKENS[kind]!;
      inWord = isWord;
      depth += NESTING[kind]!;
      if (depth > this.#deepest) this.#deepest = depth;
      if (kind === kinds.quote) at = this.#stringEnd(bytes, at);
      if (mayRefuse && (tokens > maxTokens || depth > maxDepth)) break;
    }
    this.#tokens = tokens;
    this.#depth = depth;
    this.#inWord = inWord;
    if (mayRefuse) this.#refuseExceeding();
  }

  /** Returns the index after the string that `bytes[start]` is in, or the end of `bytes`. */
  #stringEnd(bytes: Buffer, start: number): number {
    let at = start;
    this.#inString = true;
    while (at < bytes.length) {
      const searchAt = Math.min(at + SEARCH_AFTER_BYTES, bytes.length);
      for (; at < searchAt; at++) {
        const byte = bytes[at]!;
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) {
          this.#inString = false;
          return at + 1;
        }
      }
      if (at < bytes.length && !this.#escaped) at = this.#nextQuote(bytes, at);
    }
    return at;
  }

  /** Returns the index of the next quote or of the backslash that escapes it, or the end of `bytes`. */
  #nextQuote(bytes: Buffer, start: number): number {
    const found = bytes.indexOf(QUOTE, start);
    const end = found === -1 ? bytes.length : found;
    let backslashes = 0;
    while (end - backslashes > start && bytes[end - backslashes - 1] === BACKSLASH) backslashes++;
    const isEscaped = backslashes % 2 === 1;
    if (found === -1) this.#escaped = isEscaped;
    return isEscaped && found !== -1 ? end - 1 : end;
  }

  #refuseExceeding(): void {
    const { tokens, depth } = this.#limits;
    if (this.#tokens <= tokens && this.#deepest <= depth) return;
    const what =
      this.#deepest > depth
        ? `nested deeper than ${depth} levels`
        : `of more than ${tokens} JSON tokens`;
    throw new AuthdError("request_too_large", `The frame is ${what}, which no request needs.`);
  }
}
