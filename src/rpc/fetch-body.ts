/** The body of a `fetch`, as it is sent to the daemon. */
import { MAX_BODY_BYTES } from "../protocol.ts";
import type { BodyStream } from "./send-request.ts";

type Given = NonNullable<RequestInit["body"]> | null | undefined;

/**
 * Returns the body of `request`, for which the caller gave `given`; undefined if there is none or it is
 * empty. A stream is sent as it comes, so that its first part need not wait for its last; anything else
 * whole, if that fits into one message.
 */
export async function bodyOf(
  request: Request,
  given: Given,
  signal: AbortSignal,
): Promise<Buffer | BodyStream | undefined> {
  if (!request.body) return undefined;
  const source = new Source(request.body, signal);
  if (isStream(given)) return source.stream(toldLength(request));
  const bytes = lengthOf(given);
  if (bytes !== undefined && bytes > MAX_BODY_BYTES) return source.stream(bytes);
  const begun: Uint8Array[] = [];
  let length = 0;
  for (let part = await source.next(); part; part = await source.next()) {
    begun.push(part);
    length += part.length;
    if (length > MAX_BODY_BYTES) return source.stream(undefined, begun);
  }
  return length === 0 ? undefined : Buffer.concat(begun);
}

function isStream(given: Given): boolean {
  return typeof given === "object" && given !== null && Symbol.asyncIterator in given;
}

/** Of a stream the caller may tell the length. */
function toldLength({ headers }: Request): number | undefined {
  const told = headers.get("content-length");
  return told === null ? undefined : Number(told);
}

/** Undefined: not known before it is read. */
function lengthOf(given: Given): number | undefined {
  if (typeof given === "string" || given instanceof URLSearchParams) {
    return Buffer.byteLength(String(given));
  }
  if (given instanceof Blob) return given.size;
  const { byteLength } = (given ?? {}) as { byteLength?: number };
  return byteLength;
}

/** Reads a stream until the end, or until somebody gives it up. */
class Source {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal;
  #isCancelled = false;

  constructor(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
    this.#reader = body.getReader();
    this.#signal = signal;
    signal.addEventListener("abort", () => this.cancel());
  }

  /** Undefined at the end. Rejects if it is given up: half a body must not be taken for all of it. */
  async next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#reader.read();
    this.#signal.throwIfAborted();
    if (this.#isCancelled) throw new DOMException("The body is not wanted.", "AbortError");
    return done ? undefined : value;
  }

  stream(bytes?: number, begun: readonly Uint8Array[] = []): BodyStream {
    return { parts: this.#parts(begun), bytes, cancel: () => this.cancel() };
  }

  cancel(): void {
    this.#isCancelled = true;
    // Where it ends is up to it; an error of it has nobody to go to.
    void this.#reader.cancel(this.#signal.reason).catch(() => {});
  }

  async *#parts(begun: readonly Uint8Array[]): AsyncGenerator<Uint8Array, undefined> {
    yield* begun;
    for (let part = await this.next(); part; part = await this.next()) yield part;
  }
}
