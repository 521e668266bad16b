import { type EncodedJson, keptJson, toJson } from "../base/json-text.ts";

/** A result as JSON, with its length in UTF-8; `encoded` instead of `json` for a long one that is kept. */
interface Serialized {
  readonly json: string;
  readonly bytes: number;
  readonly encoded?: EncodedJson;
}

export type Serialize = (result: unknown) => Serialized;

/** Longer results that are kept are kept as bytes: encoding a list of 10,000 credentials takes milliseconds. */
const MAX_KEPT_TEXT_BYTES = 64 * 1024;

/**
 * Returns the serializer of a whole server. A frozen result is taken to stay as it is, all the way down,
 * and is written out once: a warm token is asked for again and again.
 */
export function createSerializer(): Serialize {
  const kept = new WeakMap<object, Serialized>();
  return (result) => {
    const isFrozen = typeof result === "object" && result !== null && Object.isFrozen(result);
    const known = isFrozen ? kept.get(result) : undefined;
    if (known) return known;
    const fresh = isFrozen ? serializeKept(result) : serialize(result);
    if (isFrozen) kept.set(result, fresh);
    return fresh;
  };
}

function serializeKept(result: object): Serialized {
  const kept = keptJson(result);
  if (kept) return encodedOf(kept);
  const written = serialize(result);
  return written.bytes > MAX_KEPT_TEXT_BYTES
    ? encodedOf({ pieces: [Buffer.from(written.json)] })
    : written;
}

function encodedOf(encoded: EncodedJson): Serialized {
  const bytes = encoded.pieces.reduce((sum, { length }) => sum + length, 0);
  return { json: "", bytes, encoded };
}

function serialize(result: unknown): Serialized {
  const json = toJson(result);
  return { json, bytes: Buffer.byteLength(json) };
}
