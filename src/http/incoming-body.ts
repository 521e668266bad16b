import { Readable } from "node:stream";

/** Bytes that are taken from the connection before somebody reads them. */
const HIGH_WATER_BYTES = 64 * 1024;

/** The connection's side of a body. */
interface Flow {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

/**
 * The body of one response as it comes. It becomes a stream when somebody asks for one: most small bodies have
 * come whole by the time when their head is looked at.
 */
export class IncomingBody {
  readonly #flow: Flow;
  /** Called once the body will not be read any more. */
  readonly #onRelease: () => void;
  #stream: Readable | undefined;
  /** Parts that came before the stream was asked for. */
  #parts: Buffer[] = [];
  #bytes = 0;
  #isWhole = false;
  #failure: Error | undefined;

  constructor(flow: Flow, onRelease: () => void) {
    this.#flow = flow;
    this.#onRelease = onRelease;
  }

  push(chunk: Buffer): void {
    if (this.#stream) {
      if (!this.#stream.push(chunk)) this.#flow.pause();
      return;
    }
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= HIGH_WATER_BYTES) this.#flow.pause();
  }

  end(): void {
    this.#isWhole = true;
    this.#stream?.push(null);
  }

  fail(failure: Error): void {
    this.#failure = failure;
    this.#stream?.destroy(failure);
  }

  /** Returns all of the body if it has come and nobody has asked for the stream; undefined otherwise. */
  whole(): Buffer | undefined {
    if (this.#stream || !this.#isWhole) return undefined;
    return this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#bytes);
  }

  get stream(): Readable {
    this.#stream ??= this.#newStream();
    return this.#stream;
  }

  #newStream(): Readable {
    const stream = new Readable({
      highWaterMark: HIGH_WATER_BYTES,
      read: () => this.#flow.resume(),
      destroy: (error, done) => {
        this.#onRelease();
        if (!stream.readableEnded) this.#flow.abort(error ?? new Error("not wanted any more"));
        done(error);
      },
    });
    // A response can break before its reader listens; that must not end the process.
    stream.on("error", () => {});
    for (const part of this.#parts) stream.push(part);
    this.#parts = [];
    if (this.#isWhole) stream.push(null);
    else if (this.#failure) stream.destroy(this.#failure);
    return stream;
  }
}
