import type { Socket } from "node:net";
import type { CpuBudget } from "./cpu-budget.ts";

/** Time (ms) for which one client's bytes are read before others have their turn. */
const SLICE_MS = 0.03;
/** Bytes that are read before the clock is looked at: more, the less time they take. */
const MIN_PIECE_BYTES = 256;
const FIRST_PIECE_BYTES = 4 * 1024;
const MAX_PIECE_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

export interface IntakeHandlers {
  /** Takes the next bytes. */
  read(bytes: Buffer): void;
  /** The client sends no more; called after the last `read`. */
  end(): void;
  /** The client's budget has come back: what was held because of it can go on. */
  resume(): void;
}

/**
 * Reads from one socket in short slices, with a turn of the event loop for others in between, and
 * not at all while the client's CPU budget is used up or its responses wait to be taken.
 */
export class Intake {
  budget: CpuBudget;
  readonly #socket: Socket;
  readonly #handlers: IntakeHandlers;
  /** Received and not read. */
  #rest: Buffer | undefined;
  #pieceBytes = FIRST_PIECE_BYTES;
  #piece: Buffer = EMPTY;
  readonly #readIt = () => this.#handlers.read(this.#piece);
  #hasEnded = false;
  #isStopped = false;
  /** The client's responses wait to be taken. */
  #isBlocked = false;
  #nextSlice: NodeJS.Immediate | undefined;
  #pause: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, budget: CpuBudget, handlers: IntakeHandlers) {
    this.#socket = socket;
    this.budget = budget;
    this.#handlers = handlers;
  }

  listen(): void {
    this.#socket.on("data", (chunk: Buffer) => {
      this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
      this.#read();
    });
    this.#socket.on("end", () => {
      this.#hasEnded = true;
      this.#read();
    });
  }

  /** True if something was received that was not read. */
  get hasMore(): boolean {
    return this.#rest !== undefined;
  }

  /** True while nothing is read: the client is not late with what it has begun to send. */
  get isPaused(): boolean {
    return this.#isBlocked || this.#pause !== undefined;
  }

  /** Pauses if the budget is used up, and returns whether it is; `resume` is called when it has come back. */
  holdBack(): boolean {
    if (this.#pause) return true;
    const ms = this.#isStopped ? 0 : this.budget.pauseMs;
    if (ms === 0) return false;
    this.#pause = setTimeout(() => this.#afterPause(), Math.ceil(ms)).unref();
    this.#flow();
    return true;
  }

  /** Undefined if the budget is not used up; otherwise resolves when it has come back or nothing is read any more. */
  whenInBudget(): Promise<void> | undefined {
    if (!this.holdBack()) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  block(isBlocked: boolean): void {
    this.#isBlocked = isBlocked;
    if (isBlocked) this.#flow();
    else this.#read();
  }

  /** Reads nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#rest = undefined;
    clearImmediate(this.#nextSlice);
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#release();
  }

  #afterPause(): void {
    this.#pause = undefined;
    if (this.holdBack()) return;
    this.#release();
    this.#handlers.resume();
    this.#read();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #read(): void {
    if (this.#isStopped || this.#nextSlice) return;
    for (let spentMs = 0; this.#rest && !this.#isBlocked && !this.holdBack(); ) {
      if (spentMs > SLICE_MS) {
        this.#readSoon();
        break;
      }
      spentMs += this.#readPiece(this.#rest);
    }
    if (!this.holdBack()) this.#flow();
    if (this.#hasEnded && !this.#rest && !this.#isStopped) {
      this.#hasEnded = false;
      this.#handlers.end();
    }
  }

  #readSoon(): void {
    this.#nextSlice = setImmediate(() => {
      this.#nextSlice = undefined;
      this.#read();
    });
  }

  /** Returns how long it took, ms. */
  #readPiece(rest: Buffer): number {
    const piece = rest.length > this.#pieceBytes ? rest.subarray(0, this.#pieceBytes) : rest;
    this.#rest = piece === rest ? undefined : rest.subarray(piece.length);
    this.#piece = piece;
    this.budget.measure(this.#readIt);
    // The piece may hold a secret.
    this.#piece = EMPTY;
    const tookMs = this.budget.lastMs;
    this.#pieceBytes =
      tookMs > 2 * SLICE_MS
        ? Math.max(MIN_PIECE_BYTES, this.#pieceBytes / 4)
        : Math.min(
            MAX_PIECE_BYTES,
            tookMs < SLICE_MS / 2 ? this.#pieceBytes * 2 : this.#pieceBytes,
          );
    return tookMs;
  }

  /** Pauses the socket while received bytes wait to be read. */
  #flow(): void {
    const isFull = this.#rest !== undefined || this.isPaused;
    if (isFull && !this.#socket.isPaused()) this.#socket.pause();
    else if (!isFull && this.#socket.isPaused()) this.#socket.resume();
  }
}
