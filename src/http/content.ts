/** Reads, decompresses and limits the body of a response. */
import { isUtf8 } from "node:buffer";
import { pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { HttpFailure, type HttpResponse } from "./http.ts";

/** Tells why a body can't be used; `message` follows the host's name in a sentence. */
export class UnusableContent extends Error {}
/** The body is longer than the caller wants. */
export class TooLarge extends Error {}

/** Codings that one response may have on top of each other. */
const MAX_CODINGS = 5;
/** Bytes that decoding steps before the last may put out beyond what the last one does: a bomb inside. */
const MAX_SURPLUS_BYTES = 64 * 1024 * 1024;

const CHUNK = { chunkSize: 64 * 1024 };

/** Content codings (RFC 9110 section 8.4.1): each row returns the decoder, given the first byte of the body. */
const DECODERS: Readonly<Record<string, (firstByte: number) => Transform>> = {
  gzip: () => zlib.createGunzip(CHUNK),
  "x-gzip": () => zlib.createGunzip(CHUNK),
  br: () => zlib.createBrotliDecompress(CHUNK),
  // Many servers send it without the zlib wrapper that the RFC asks for.
  deflate: (firstByte) =>
    (firstByte & 0x0f) === 8 ? zlib.createInflate(CHUNK) : zlib.createInflateRaw(CHUNK),
};

/** A response's headers as clients see them, and its decoded body. */
export interface Content {
  headers: Record<string, string | string[]>;
  chunks: Readable;
  /** False if the body is passed on as it came, as a coding is unknown. */
  isDecoded: boolean;
}

/** Counts bytes while a body is decoded, and throws UnusableContent when there are too many. */
export interface DecodeLimits {
  /** Counts bytes before decoding. */
  onRaw?(bytes: number): void;
  /** Counts bytes that a decoding step before the last puts out. */
  onInner(bytes: number): void;
  /** Counts bytes that the last step puts out. */
  onDecoded(bytes: number): void;
}

/**
 * Decodes a body. `hasBody` is false for HEAD, 204 and 304: they may carry Content-Encoding without a body.
 * Throws UnusableContent for more than MAX_CODINGS codings, and then destroys the body.
 */
export function decodeBody(
  response: HttpResponse,
  hasBody: boolean,
  limits: DecodeLimits = surplusLimit(),
): Content {
  const { body } = response;
  const headers = headersOf(response);
  const encoding = headers["content-encoding"];
  const codings = hasBody && typeof encoding === "string" ? codingsOf(encoding) : [];
  if (codings.length > MAX_CODINGS) {
    body.destroy();
    throw new UnusableContent(tooManyCodings(codings.length));
  }
  const isDecoded = codings.every((coding) => Object.hasOwn(DECODERS, coding));
  if (codings.length === 0 || !isDecoded) return { headers, chunks: body, isDecoded };
  delete headers["content-encoding"];
  delete headers["content-length"];
  const decoded = decodeAll(body, codings, limits);
  return { headers, chunks: Readable.from(decoded, { highWaterMark: 1 }), isDecoded };
}

/** Returns a response's headers as clients see them: one text a name, but for `set-cookie`. */
export function headersOf({ headers: raw }: HttpResponse): Content["headers"] {
  const headers: Content["headers"] = {};
  for (const name of Object.keys(raw)) {
    const value = raw[name];
    if (name === "set-cookie") headers[name] = [value ?? []].flat();
    else if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

/** Returns the codings of a Content-Encoding in the order to undo, without `identity`. */
function codingsOf(value: string): string[] {
  const names = value.split(",").map((name) => name.trim().toLowerCase());
  return names.filter((name) => name !== "" && name !== "identity").reverse();
}

/** Limits what inner decoding steps put out beyond what the last one does; a large body alone is no bomb. */
function surplusLimit(): DecodeLimits {
  let surplus = 0;
  return {
    onInner(bytes) {
      surplus += bytes;
      if (surplus <= MAX_SURPLUS_BYTES) return;
      throw new UnusableContent("sent an answer whose inner compression grows without end");
    },
    onDecoded(bytes) {
      surplus = Math.max(0, surplus - bytes);
    },
  };
}

/** Undoes the codings one after the other. */
function decodeAll(
  body: AsyncIterable<Buffer>,
  codings: readonly string[],
  { onRaw = () => {}, onInner, onDecoded }: DecodeLimits,
): AsyncIterable<Buffer> {
  return codings.reduce<AsyncIterable<Buffer>>(
    (source, coding, step) => {
      const isLast = step === codings.length - 1;
      return counted(decode(source, coding), isLast ? onDecoded : onInner);
    },
    counted(body, onRaw),
  );
}

async function* counted(
  source: AsyncIterable<Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    count(chunk.length);
    yield chunk;
  }
}

async function* decode(source: AsyncIterable<Buffer>, coding: string): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  const first = await input.next();
  // An empty body is a whole body, too.
  if (first.done) return;
  const rest = async function* () {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => input };
  };
  const decoder = DECODERS[coding]!(first.value[0]!);
  try {
    // Ends both sides, whichever breaks; the decoder emits the error.
    yield* pipeline(rest, decoder, () => {}) as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof HttpFailure || error instanceof UnusableContent) throw error;
    throw new UnusableContent(`sent an answer whose compression (${coding}) is broken`);
  }
}

/** Bytes of a body that are read without asking for room: most bodies are no longer. */
export const FREE_BYTES = 64 * 1024;

/**
 * Reads the whole body, if it is no longer than `max` bytes; otherwise rejects with TooLarge. Beyond
 * FREE_BYTES nothing is read until `whenRoom` resolves. Ends the connection if it fails.
 */
export function collect(
  chunks: Readable,
  max: number,
  whenRoom: () => Promise<void> | undefined = () => undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    let hasAsked = false;
    const waitForRoom = () => {
      hasAsked = true;
      const room = whenRoom();
      if (!room) return;
      chunks.pause();
      room.then(() => chunks.resume(), reject);
    };
    // Events, as iterating over a stream takes as long as the rest of a small request.
    chunks.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > max) {
        reject(new TooLarge());
        chunks.destroy();
        return;
      }
      parts.push(chunk);
      if (!hasAsked && length > FREE_BYTES) waitForRoom();
    });
    chunks.once("end", () =>
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)),
    );
    chunks.once("error", reject);
  });
}

/** Returns one of the two: bytes that are no text become base64. */
export function encodeForJson(bytes: Buffer): { body: string } | { bodyBase64: string } {
  return isUtf8(bytes)
    ? { body: bytes.toString("utf8") }
    : { bodyBase64: bytes.toString("base64") };
}

/** Discards a body that nobody reads: a short one is read to its end, so that its connection can be used again. */
export function drain(body: Readable): void {
  let left = 64 * 1024;
  const timer = setTimeout(() => body.destroy(), 1_000);
  body.once("close", () => clearTimeout(timer));
  body.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) body.destroy();
  });
}

const tooManyCodings = (count: number) =>
  `sent an answer in ${count} content codings on top of each other; authd undoes ${MAX_CODINGS} at most`;
