/** Finds the text of single values in JSON that JSON.parse has taken. */

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_BRACE, OPEN_BRACKET, CLOSE_BRACE, CLOSE_BRACKET] = [0x7b, 0x5b, 0x7d, 0x5d];

/**
 * Returns the value at `path`, names of members from the outermost object inwards, as it is written;
 * undefined if there is none. Of members with one name the last counts, as for JSON.parse.
 */
export function sourceAt(json: string, path: readonly string[]): string | undefined {
  let at = afterSpace(json, 0);
  for (const name of path) {
    at = json.charCodeAt(at) === OPEN_BRACE ? memberAt(json, at, name) : -1;
    if (at === -1) return undefined;
  }
  return json.slice(at, endOf(json, at));
}

/** Returns the elements of the array that `json` is, each as it is written. */
export function elementsOf(json: string): string[] {
  const elements: string[] = [];
  let at = afterSpace(json, afterSpace(json, 0) + 1);
  while (json.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = endOf(json, at);
    elements.push(json.slice(at, end));
    at = afterSpace(json, end);
    if (json.charCodeAt(at) === COMMA) at = afterSpace(json, at + 1);
  }
  return elements;
}

/** Returns where the value of the last member `name` begins in the object at `start`, or -1. */
function memberAt(json: string, start: number, name: string): number {
  let found = -1;
  let at = afterSpace(json, start + 1);
  while (json.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(json, at);
    const value = afterSpace(json, afterSpace(json, keyEnd) + 1);
    if (isKey(json, at, keyEnd, name)) found = value;
    at = afterSpace(json, endOf(json, value));
    if (json.charCodeAt(at) === COMMA) at = afterSpace(json, at + 1);
  }
  return found;
}

function isKey(json: string, start: number, end: number, name: string): boolean {
  if (end - start === name.length + 2 && json.startsWith(name, start + 1)) return true;
  const source = json.slice(start, end);
  return source.includes("\\") && JSON.parse(source) === name;
}

function endOf(json: string, start: number): number {
  switch (json.charCodeAt(start)) {
    case QUOTE:
      return endOfString(json, start);
    case OPEN_BRACE:
    case OPEN_BRACKET:
      return endOfContainer(json, start);
    default: {
      let at = start;
      while (at < json.length && !isSpace(json.charCodeAt(at)) && !endsValue(json.charCodeAt(at))) {
        at++;
      }
      return at;
    }
  }
}

function endOfContainer(json: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(json, at);
    } else {
      if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
      at++;
    }
  } while (depth > 0);
  return at;
}

/** Searches from quote to quote, so that long strings take little time. */
function endOfString(json: string, start: number): number {
  let end = start;
  for (;;) {
    end = json.indexOf('"', end + 1);
    let first = end;
    while (json.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end + 1;
  }
}

function afterSpace(json: string, start: number): number {
  let at = start;
  while (isSpace(json.charCodeAt(at))) at++;
  return at;
}

const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
const endsValue = (code: number) =>
  code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET;
