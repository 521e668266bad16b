/** The body of an API's answer: read, decompressed, limited. */
import { isUtf8 } from "node:buffer";
import { pipeline, Readable } from "node:stream";
import { CODINGS, codingsOf, isKnownCoding, MOST_CODINGS, tooManyCodings } from "./codings.ts";
import { HttpFailure, type HttpResponse } from "./http.ts";

/** Why a body that came can't be used; `message` follows the host's name in a sentence. */
export class UnusableContent extends Error {}
/** There is more of it than the caller wants. */
export class TooLarge extends Error {}

/** Bytes that decoding steps before the last may put out beyond what the last one does: a bomb inside. */
const MOST_SURPLUS_BYTES = 64 * 1024 * 1024;

/** An answer's headers as clients see them, and its bytes as they are meant. */
export interface Content {
  headers: Record<string, string | string[]>;
  chunks: Readable;
}

/**
 * `hasBody`: false for an answer whose Content-Encoding speaks of a body that does not come (HEAD, 304).
 * Throws UnusableContent for more than MOST_CODINGS codings; the answer's body is destroyed then.
 */
export function decodeBody({ headers: raw, body }: HttpResponse, hasBody: boolean): Content {
  const headers: Content["headers"] = {};
  for (const [name, value] of Object.entries(raw)) {
    if (name === "set-cookie") headers[name] = [value ?? []].flat();
    else if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const encoding = headers["content-encoding"];
  const codings = hasBody && typeof encoding === "string" ? codingsOf(encoding) : [];
  if (codings.length > MOST_CODINGS) {
    body.destroy();
    throw new UnusableContent(tooManyCodings(codings.length));
  }
  if (codings.length === 0 || !codings.every(isKnownCoding)) return { headers, chunks: body };
  delete headers["content-encoding"];
  delete headers["content-length"];
  return { headers, chunks: Readable.from(decodeAll(body, codings), { highWaterMark: 1 }) };
}

/** Undoes the codings one after the other. Bounds what the steps before the last put out for nothing. */
async function* decodeAll(
  body: AsyncIterable<Buffer>,
  codings: readonly string[],
): AsyncGenerator<Buffer> {
  let surplus = 0;
  const count = (source: AsyncIterable<Buffer>) =>
    (async function* () {
      for await (const chunk of source) {
        surplus += chunk.length;
        if (surplus > MOST_SURPLUS_BYTES) {
          throw new UnusableContent("sent an answer whose inner compression grows without end");
        }
        yield chunk;
      }
    })();
  const [last = "", ...before] = [...codings].reverse();
  const inner = before
    .reverse()
    .reduce<AsyncIterable<Buffer>>((source, coding) => count(decode(source, coding)), body);
  for await (const chunk of decode(inner, last)) {
    surplus = Math.max(0, surplus - chunk.length);
    yield chunk;
  }
}

async function* decode(source: AsyncIterable<Buffer>, coding: string): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  const first = await input.next();
  // Nothing at all is a whole body too.
  if (first.done) return;
  const rest = async function* () {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => input };
  };
  const decoder = CODINGS[coding]!(first.value[0]!);
  try {
    // Ends both sides, whichever breaks; the error comes out of the decoder.
    yield* pipeline(rest, decoder, () => {}) as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof HttpFailure || error instanceof UnusableContent) throw error;
    throw new UnusableContent(`sent an answer whose compression (${coding}) is broken`);
  }
}

/** So much of a body is read without asking for room: most are no longer. */
export const FREE_BYTES = 64 * 1024;

/**
 * The whole body, if it is no longer than `max` bytes; otherwise TooLarge. Beyond FREE_BYTES nothing
 * is read until `whenRoom` resolves. Ends the connection if it fails.
 */
export function collect(
  chunks: Readable,
  max: number,
  whenRoom: () => Promise<void> | undefined = () => undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    let asked = false;
    // Events, as iterating over a stream takes as long as the rest of a small request.
    chunks.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= max) {
        parts.push(chunk);
        if (asked || length <= FREE_BYTES) return;
        asked = true;
        const room = whenRoom();
        if (!room) return;
        chunks.pause();
        room.then(() => chunks.resume());
        return;
      }
      reject(new TooLarge());
      chunks.destroy();
    });
    chunks.once("end", () =>
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)),
    );
    chunks.once("error", reject);
  });
}

/** Exactly one of the two: bytes that are no text go as base64. */
export function encodeForJson(bytes: Buffer): { body: string } | { bodyBase64: string } {
  return isUtf8(bytes)
    ? { body: bytes.toString("utf8") }
    : { bodyBase64: bytes.toString("base64") };
}

/** Lets go of an answer that nobody reads: a short one to its end, so that its connection can be used again. */
export function drain(body: Readable): void {
  let left = 64 * 1024;
  const giveUp = setTimeout(() => body.destroy(), 1_000);
  body.once("close", () => clearTimeout(giveUp));
  body.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) body.destroy();
  });
}
