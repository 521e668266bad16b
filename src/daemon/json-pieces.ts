/** Length of the buffers that take what is encoded. */
const PIECE_BYTES = 64 * 1024;
/** Buffers that nobody has needed for so long (ms) are left to the collector. */
const KEPT_MS = 10_000;

/**
 * Buffers that were sent, for what is written next. New ones for each list of 10,000 credentials are memory outside of
 * V8's heap that outlives its young objects: after a few V8 would collect everything, which takes 60 ms.
 */
export class SparePieces {
  readonly #spare: Buffer<ArrayBuffer>[] = [];
  /** So many were there all the time since the last look. */
  #unneeded = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #keptMs: number;

  constructor(keptMs = KEPT_MS) {
    this.#keptMs = keptMs;
  }

  get count(): number {
    return this.#spare.length;
  }

  /** Returns a buffer of at least so many bytes. */
  take(bytes: number): Buffer<ArrayBuffer> {
    const spare = bytes <= PIECE_BYTES ? this.#spare.pop() : undefined;
    this.#unneeded = Math.min(this.#unneeded, this.count);
    return spare ?? Buffer.allocUnsafeSlow(Math.max(bytes, PIECE_BYTES));
  }

  /** To be called when nobody reads them any more; those that are never given back are lost to the pool alone. */
  giveBack(pieces: readonly Buffer<ArrayBuffer>[]): void {
    this.#spare.push(...pieces.filter(({ length }) => length === PIECE_BYTES));
    this.#timer ??= setInterval(() => this.#dropUnneeded(), this.#keptMs).unref();
  }

  #dropUnneeded(): void {
    this.#spare.splice(0, this.#unneeded);
    this.#unneeded = this.count;
    if (this.count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** JSON that is encoded as it grows. */
export class JsonPieces {
  readonly #spare: SparePieces;
  readonly #buffers: Buffer<ArrayBuffer>[] = [];
  readonly #full: Buffer[] = [];
  #piece = Buffer.alloc(0);
  #used = 0;

  constructor(spare: SparePieces) {
    this.#spare = spare;
  }

  add(text: string): void {
    // A character takes up to three bytes.
    if (this.#piece.length - this.#used < text.length * 3) this.#next(text.length * 3);
    this.#used += this.#piece.write(text, this.#used);
  }

  /** What was added. */
  get pieces(): readonly Buffer[] {
    return [...this.#full, this.#piece.subarray(0, this.#used)];
  }

  /** To be called when nobody reads the pieces any more. */
  release(): void {
    this.#spare.giveBack(this.#buffers);
  }

  #next(bytes: number): void {
    if (this.#used > 0) this.#full.push(this.#piece.subarray(0, this.#used));
    this.#piece = this.#spare.take(bytes);
    this.#buffers.push(this.#piece);
    this.#used = 0;
  }
}
