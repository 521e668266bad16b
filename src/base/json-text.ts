/** The longest id and `streamToken`, in bytes of UTF-8: each notification of a stream repeats them. */
export const MAX_ID_BYTES = 256;

/**
 * A number as its sender wrote it (`1.0`, `9007199254740993`, `1e400`). JavaScript's own would come
 * back changed.
 */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** JSON of a result that was written and encoded before, piece by piece. */
export interface EncodedJson {
  readonly pieces: readonly Buffer[];
  /** To be called when the system has taken all pieces; never, if the client is gone before that. */
  readonly onTaken?: () => void;
}

const encoded = new WeakMap<object, EncodedJson>();

/**
 * Returns a result that exists as JSON alone, in UTF-8 without any character at which a line could end:
 * it has no members, so that thousands of objects need not live until it is sent. With `onTaken` it is for one call.
 */
export function resultInJson<Result extends object>(json: EncodedJson): Result {
  const result = Object.freeze({}) as Result;
  encoded.set(result, json);
  return result;
}

/** Returns what is kept of a result's JSON. */
export function keptJson(result: object): EncodedJson | undefined {
  return encoded.get(result);
}

/** A request's id, or the token of a stream: JavaScript's own number only if it is written alike. */
export type Id = string | number | JsonNumber;

export const isId = (value: unknown): value is Id =>
  typeof value === "string" || typeof value === "number" || value instanceof JsonNumber;

export function isTooLong(id: Id): boolean {
  if (typeof id === "number") return false;
  if (id instanceof JsonNumber) return id.text.length > MAX_ID_BYTES;
  return id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES;
}

export function idToJson(id: Id | null): string {
  if (typeof id === "number") return `${id}`;
  return id instanceof JsonNumber ? id.text : toJson(id);
}

/** Characters at which many readers end a line, and which JSON.stringify leaves as they are. */
const LINE_BREAKS = /[\u0085\u2028\u2029]/g;

/** Returns JSON without any character at which a line could end. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value);
  // Three searches take less time than one for all three.
  const isOneLine =
    !json.includes("\u2028") && !json.includes("\u2029") && !json.includes("\u0085");
  return isOneLine ? json : json.replace(LINE_BREAKS, escaped);
}

/** Returns an object's JSON; its members may be JsonNumbers. */
export function objectToJson(object: object): string {
  const entries = Object.entries(object);
  if (!entries.some(([, value]) => value instanceof JsonNumber)) return toJson(object);
  const members = entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      return `${toJson(name)}:${value instanceof JsonNumber ? value.text : toJson(value)}`;
    });
  return `{${members.join(",")}}`;
}

const escaped = (character: string) =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
