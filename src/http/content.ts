/** The body of an API's answer: read, decompressed, limited. */
import { isUtf8 } from "node:buffer";
import { pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { HttpFailure, type HttpResponse } from "../http.ts";

/** Why a body that came can't be used; `message` follows the host's name in a sentence. */
export class UnusableContent extends Error {}
/** There is more of it than the caller wants. */
export class TooLarge extends Error {}

const CHUNK = { chunkSize: 64 * 1024 };

/** One row a coding of RFC 9110 section 8.4.1: what undoes it, by the first byte of what came. */
const CODINGS: Readonly<Record<string, (first: number) => Transform>> = {
  gzip: () => zlib.createGunzip(CHUNK),
  "x-gzip": () => zlib.createGunzip(CHUNK),
  br: () => zlib.createBrotliDecompress(CHUNK),
  // Many servers send it without the zlib wrapper that the RFC asks for.
  deflate: (first) =>
    (first & 0x0f) === 8 ? zlib.createInflate(CHUNK) : zlib.createInflateRaw(CHUNK),
};

/** Codings of a Content-Encoding, in the order to undo; undefined if there are none, or unknown ones. */
function codingsOf(value: string): string[] | undefined {
  const names = value
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity");
  const known = names.every((name) => Object.hasOwn(CODINGS, name));
  // Nobody compresses more than twice, but for harm.
  return known && names.length > 0 && names.length <= 2 ? names.reverse() : undefined;
}

/** An answer's headers as clients see them, and its bytes as they are meant. */
export interface Content {
  headers: Record<string, string | string[]>;
  chunks: Readable;
}

/** `hasBody`: false for an answer whose Content-Encoding speaks of a body that does not come (HEAD, 304). */
export function contentOf({ headers: raw, body }: HttpResponse, hasBody: boolean): Content {
  const headers: Content["headers"] = {};
  for (const [name, value] of Object.entries(raw)) {
    if (name === "set-cookie") headers[name] = [value ?? []].flat();
    else if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const encoding = headers["content-encoding"];
  const codings = hasBody && typeof encoding === "string" ? codingsOf(encoding) : undefined;
  if (!codings) return { headers, chunks: body };
  delete headers["content-encoding"];
  delete headers["content-length"];
  const decoded = codings.reduce<AsyncIterable<Buffer>>(decode, body);
  return { headers, chunks: Readable.from(decoded, { highWaterMark: 1 }) };
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
    if (error instanceof HttpFailure) throw error;
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
export function inJson(bytes: Buffer): { body: string } | { bodyBase64: string } {
  return isUtf8(bytes)
    ? { body: bytes.toString("utf8") }
    : { bodyBase64: bytes.toString("base64") };
}

/** Lets go of an answer that nobody reads: a short one to its end, so that its connection can be used again. */
export function discard(body: Readable): void {
  let left = 64 * 1024;
  const giveUp = setTimeout(() => body.destroy(), 1_000);
  body.once("close", () => clearTimeout(giveUp));
  body.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) body.destroy();
  });
}
