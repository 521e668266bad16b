/** Looks at the body of a response before it is passed on. */
import { Readable } from "node:stream";
import { collect, decodeBody, TooLarge, UnusableContent } from "../http/content.ts";
import type { HttpResponse } from "../http/http.ts";

/** Bytes, as they came and decoded: a longer body is not looked at. */
const MAX_PEEKED_BYTES = 64 * 1024;
/** A body that takes longer is passed on without a look. */
const MAX_PEEK_MS = 5_000;

/** Media types of documents; a stream of them (`text/event-stream`, `application/x-ndjson`) may have no end. */
const DOCUMENT = /^(text\/(?!event-stream)|application\/([\w.-]+\+)?json$|application\/x-www-form)/;

/** A response whose body is still to be read, and the text of that body; undefined: it was not looked at. */
interface Peeked {
  response: HttpResponse;
  text: string | undefined;
}

/** Reads the body of a short document. Rejects if the response breaks. */
export async function peekBody(response: HttpResponse, leftMs: number): Promise<Peeked> {
  if (!isShortDocument(response)) return { response, text: undefined };
  const bytes = await readWhole(response.body, Math.min(leftMs, MAX_PEEK_MS));
  if (!bytes) return { response, text: undefined };
  const unread = () => ({ ...response, body: streamOf(bytes) });
  return { response: unread(), text: await decode(unread()) };
}

function isShortDocument({ headers }: HttpResponse): boolean {
  const { "content-type": type = "text/plain", "content-length": length } = headers;
  const mediaType = String(type).split(";")[0]!.trim().toLowerCase();
  return DOCUMENT.test(mediaType) && !(Number(length) > MAX_PEEKED_BYTES);
}

/** Returns the whole body; undefined if it is too long or too slow: what came of it is put back then. */
function readWhole(body: Readable, ms: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      body.off("readable", onReadable).off("end", onEnd).off("error", onError);
    };
    const giveUp = () => {
      stop();
      if (length > 0) body.unshift(Buffer.concat(parts, length));
      resolve(undefined);
    };
    const timer = setTimeout(giveUp, ms);
    const onReadable = () => {
      for (let part = body.read(); part !== null; part = body.read()) {
        parts.push(part);
        length += part.length;
        if (length > MAX_PEEKED_BYTES) return giveUp();
      }
    };
    const onEnd = () => {
      stop();
      resolve(Buffer.concat(parts, length));
    };
    const onError = (error: Error) => {
      stop();
      reject(error);
    };
    body.on("readable", onReadable).on("end", onEnd).on("error", onError);
    // One that broke before has no event any more.
    if (body.errored) onError(body.errored);
  });
}

async function decode(response: HttpResponse): Promise<string | undefined> {
  try {
    const { chunks, isDecoded } = decodeBody(response, true);
    return isDecoded ? (await collect(chunks, MAX_PEEKED_BYTES)).toString() : undefined;
  } catch (error) {
    if (error instanceof TooLarge || error instanceof UnusableContent) return undefined;
    throw error;
  }
}

function streamOf(bytes: Buffer): Readable {
  return Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false });
}
