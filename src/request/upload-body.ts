/** Bytes from the beginning of a body that are kept, so that they can be sent once more. */
export const KEPT_BYTES = 1024 * 1024;

/** The most bytes that the HTTP client is given at once: an API that takes so many makes progress. */
const SLICE_BYTES = 64 * 1024;

const EMPTY = Buffer.alloc(0);

/** The side that a body waits for: the client, for its next part, or the API, to take the last one. */
export type Turn = "client" | "api";

export interface UploadBodyOptions {
  /** Length that the client has announced. */
  bytes?: number | undefined;
  /** Called when the body begins to wait for a side; undefined: it waits for none any more. */
  onTurn: (turn: Turn | undefined) => void;
  /** Called when the beginning is no longer kept. */
  onForgotten: () => void;
}

/** One part that the API has not taken. */
interface Part {
  readonly bytes: Buffer;
  settle(how: Taken): void;
}

/** `taken`: the API wants more; `over`: it wants no more, whatever has become of the part. */
export type Taken = "taken" | "over";

/** The HTTP client, which waits for the next part. */
interface Reader {
  readonly sending: number;
  resolve(bytes: Buffer | undefined): void;
  reject(error: Error): void;
}

/**
 * The body of one request, whose parts come from a client one after another and go to an API as fast as
 * it takes them. Holds the parts that wait, and a copy of the first KEPT_BYTES.
 */
export class UploadBody {
  /** Undefined: the length is not known before the end. */
  readonly bytes: number | undefined;
  /** Resolves when the API is about to be sent the first bytes. */
  readonly wanted: Promise<void>;
  readonly #options: UploadBodyOptions;
  #onWanted: () => void = () => {};
  readonly #waiting: Part[] = [];
  /** The part that is given in slices, until the HTTP client asks for more than it. */
  #current: Part | undefined;
  /** The end of that part, which was not given yet. */
  #rest: Buffer = EMPTY;
  /** The end of the kept beginning, which was not given again yet. */
  #keptRest: Buffer = EMPTY;
  #reader: Reader | undefined;
  #kept: Buffer = EMPTY;
  #givenBytes = 0;
  /** Grows each time the request is sent. */
  #sending = 0;
  #hasLast = false;
  /** True once the HTTP client was told that there are no more parts. */
  #isComplete = false;
  #isHeld = false;
  #isAnswered = false;
  #isClosed = false;

  constructor(options: UploadBodyOptions) {
    this.bytes = options.bytes;
    this.#options = options;
    this.wanted = new Promise((resolve) => {
      this.#onWanted = resolve;
    });
  }

  /** True if all that was given to the HTTP client is kept. */
  get isReplayable(): boolean {
    return this.#givenBytes <= KEPT_BYTES;
  }

  /** True once there is nothing more to send. */
  get isOver(): boolean {
    return this.#isComplete || this.#isClosed;
  }

  /** Adds a part. Resolves when the API has taken it. */
  push(bytes: Buffer, isLast: boolean): Promise<Taken> {
    if (this.#isClosed) return Promise.resolve("over");
    if (isLast) this.#hasLast = true;
    return new Promise((settle) => {
      this.#waiting.push({ bytes, settle });
      this.#feed();
    });
  }

  /** Returns the body for one request, in slices: the kept beginning, then the parts that come. */
  parts(): AsyncIterable<Buffer> {
    const sending = this.#sending;
    this.#keptRest = this.#kept.subarray(0, this.#givenBytes);
    const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
      this.#onWanted();
      const value = await this.#next(sending);
      return value ? { done: false, value } : { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  /** Gives the HTTP client nothing more until `resume` or `rewind`. */
  hold(): void {
    this.#isHeld = true;
    this.#options.onTurn(undefined);
  }

  /** Continues after `hold`: the request is not sent again. */
  resume(): void {
    this.#isHeld = false;
    this.#feed();
  }

  /** Prepares for another request: `parts` begins with the kept beginning, and the earlier iterable ends. */
  rewind(): void {
    this.#sending++;
    this.#isHeld = false;
    this.#isAnswered = false;
    this.#isComplete = false;
    this.#options.onTurn(undefined);
    this.#feed();
  }

  /** Notes that the head of a response has come; the API may still want the rest. */
  answered(): void {
    this.#isAnswered = true;
    if (this.isOver) this.#options.onTurn(undefined);
  }

  /** Ends the body: parts that wait resolve with `over`. */
  close(): void {
    this.#isClosed = true;
    this.#isHeld = false;
    this.#options.onTurn(undefined);
    this.#feed();
    const parts = [this.#current ?? [], this.#waiting.splice(0)].flat();
    this.#current = undefined;
    this.#rest = EMPTY;
    for (const part of parts) part.settle("over");
  }

  #isSending(sending: number): boolean {
    return !this.#isClosed && sending === this.#sending;
  }

  #next(sending: number): Promise<Buffer | undefined> {
    // An earlier connection that closes late asks once more: the reader of the present one stays.
    if (!this.#isSending(sending)) return Promise.reject(notSent());
    return new Promise((resolve, reject) => {
      this.#reader = { sending, resolve, reject };
      this.#feed();
    });
  }

  #feed(): void {
    const reader = this.#reader;
    if (!reader || this.#isHeld) return;
    if (!this.#isSending(reader.sending)) {
      this.#reader = undefined;
      reader.reject(notSent());
      return;
    }
    const slice = this.#nextSlice();
    if (slice) this.#give(reader, slice);
    else if (this.#hasLast) this.#end(reader);
    else this.#options.onTurn("client");
  }

  /** Returns the bytes that come next; undefined if no part is waiting. */
  #nextSlice(): Buffer | undefined {
    if (this.#keptRest.length > 0) {
      const again = this.#keptRest.subarray(0, SLICE_BYTES);
      this.#keptRest = this.#keptRest.subarray(again.length);
      return again;
    }
    if (this.#rest.length === 0) {
      this.#current?.settle("taken");
      this.#current = this.#waiting.shift();
      if (!this.#current) return undefined;
      this.#rest = this.#current.bytes;
    }
    const slice = this.#rest.subarray(0, SLICE_BYTES);
    this.#rest = this.#rest.subarray(slice.length);
    this.#keep(slice);
    return slice;
  }

  #give(reader: Reader, bytes: Buffer): void {
    this.#reader = undefined;
    this.#options.onTurn("api");
    reader.resolve(bytes);
  }

  #end(reader: Reader): void {
    this.#reader = undefined;
    this.#isComplete = true;
    this.#options.onTurn(this.#isAnswered ? undefined : "api");
    reader.resolve(undefined);
  }

  #keep(bytes: Buffer): void {
    const before = this.#givenBytes;
    this.#givenBytes += bytes.length;
    if (this.#givenBytes > KEPT_BYTES) {
      this.#kept = EMPTY;
      // After the response's head, the reservation belongs to the response.
      if (before <= KEPT_BYTES && !this.#isAnswered) this.#options.onForgotten();
      return;
    }
    if (this.#givenBytes > this.#kept.length) {
      const doubled = Math.min(KEPT_BYTES, 2 * this.#kept.length);
      const roomier = Buffer.allocUnsafe(Math.max(this.#givenBytes, doubled));
      this.#kept.copy(roomier, 0, 0, before);
      this.#kept = roomier;
    }
    bytes.copy(this.#kept, before);
  }
}

/** Never as the end of the body: a part of it would be taken for all of it. */
const notSent = () => new Error("The body is not sent any further.");
