import type { Socket } from "node:net";
import { AuthdError } from "../errors.ts";
import { baseHeader, type Framing, frame } from "./frame-parser.ts";

/** Bytes waiting for the peer, in characters of JSON, which is nearly the same. */
export interface WriteBufferLimits {
  /** Below this `whenRoom` resolves at once. */
  lowWaterBytes: number;
  /** Above this nothing more is read from the peer until it has caught up. */
  highWaterBytes: number;
  /** Limit above which the connection is dropped. */
  maxBufferedBytes: number;
  /** A paused peer that takes no byte for so long is dropped. */
  stallTimeoutMs: number;
}

type Taker = (error?: Error | null) => void;

/** Checks within `stallTimeoutMs` whether a paused peer takes anything. */
const STALL_CHECKS = 4;
/** Answers are collected up to this many characters before they are written regardless. */
const BURST_CHARACTERS = 64 * 1024;

/**
 * Data that waits to be sent to one peer. Answers of a burst of requests leave in one write: as long as
 * `expected` says that more requests are about to be looked at, nothing is written.
 */
export class WriteBuffer {
  framing: Framing = "lines";
  /** Requests received and not yet handed to their handlers: their answers may come at once. */
  expected = 0;
  /** True while the peer is too slow to be read from. */
  paused = false;
  readonly #socket: Socket;
  readonly #limits: WriteBufferLimits;
  readonly #onPause: (paused: boolean) => void;
  #collected = "";
  /** True if only ASCII is collected, which Node writes faster as Latin-1. */
  #isAscii = true;
  #scheduled = false;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  /** Called when the system has taken what is collected. */
  #takers: Taker[] = [];
  #watch: NodeJS.Timeout | undefined;

  constructor(socket: Socket, limits: WriteBufferLimits, onPause: (paused: boolean) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#onPause = onPause;
    socket.on("drain", () => this.#drained());
    socket.on("close", () => this.#closed());
  }

  /** Characters that the peer has not taken yet. */
  get queued(): number {
    return this.#collected.length + this.#socket.writableLength;
  }

  /**
   * Adds a message; `bytes` is the length of `json` in UTF-8, where it is known. `onTaken` is called
   * when the system has all of it, and with an error or never if the connection is gone before that.
   */
  push(json: string, bytes?: number, onTaken?: Taker): void {
    if (this.#socket.destroyed) return;
    if (this.queued > this.#limits.maxBufferedBytes) return void this.#socket.destroy();
    if (onTaken) this.#takers.push(onTaken);
    if (bytes !== json.length) this.#isAscii = false;
    this.#collected +=
      this.framing === "lines"
        ? `${json}\n`
        : frame(this.framing, json, bytes ?? Buffer.byteLength(json));
    if (this.#collected.length >= BURST_CHARACTERS) this.flush();
    else if (this.expected === 0) this.#flushSoon();
  }

  /**
   * Adds a message whose middle is encoded already: it goes to the system as it is, however long. As
   * `push` otherwise.
   */
  pushEncoded(
    head: string,
    middle: { pieces: readonly Buffer[]; bytes: number },
    tail: string,
    onTaken?: Taker,
  ): void {
    if (!this.#socket.writable) return;
    if (this.queued > this.#limits.maxBufferedBytes) return void this.#socket.destroy();
    const bytes = Buffer.byteLength(head) + middle.bytes + Buffer.byteLength(tail);
    const [before, after] = this.framing === "lines" ? ["", "\n"] : [baseHeader(bytes), ""];
    this.#socket.cork();
    this.#isAscii = false;
    this.#collected += before + head;
    this.flush();
    for (const piece of middle.pieces) this.#socket.write(piece);
    this.#isAscii = false;
    this.#collected = tail + after;
    if (onTaken) this.#takers.push(onTaken);
    this.flush();
    this.#socket.uncork();
  }

  /** Notes that a request went to its handler; after the last expected one the answers are written. */
  dispatched(): void {
    this.expected--;
    // In a microtask: behind the answer of a handler that has just answered without waiting.
    if (this.expected === 0) queueMicrotask(this.#flushSoon);
  }

  /** Undefined if there is room now; otherwise resolves when there is, rejects when never. */
  whenRoom(): Promise<void> | undefined {
    if (this.#socket.destroyed) return Promise.reject(gone());
    if (this.queued < this.#limits.lowWaterBytes) return undefined;
    this.flush();
    if (this.#socket.writableLength < this.#limits.lowWaterBytes) return undefined;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  flush(): void {
    if (this.#collected === "" || !this.#socket.writable) return;
    const burst = this.#collected;
    const encoding = this.#isAscii ? "latin1" : "utf8";
    this.#collected = "";
    this.#isAscii = true;
    if (this.#takers.length === 0) this.#socket.write(burst, encoding);
    else this.#socket.write(burst, encoding, callAll(this.#takers.splice(0)));
    if (this.#socket.writableLength > this.#limits.highWaterBytes) this.#pause(true);
  }

  /** After every promise that is settled by now has run: their answers leave together. */
  readonly #flushSoon = (): void => {
    if (this.#scheduled || this.#collected === "") return;
    this.#scheduled = true;
    process.nextTick(this.#flushNow);
  };

  readonly #flushNow = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  #pause(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    clearInterval(this.#watch);
    if (paused) this.#watchStall();
    this.#onPause(paused);
  }

  /** Drops a stalled peer. The socket's own timer does not serve: it restarts when the peer sends something. */
  #watchStall(): void {
    let least = Number.POSITIVE_INFINITY;
    let idle = 0;
    const look = () => {
      const left = untaken(this.#socket);
      idle = left < least ? 0 : idle + 1;
      least = left;
      if (idle >= STALL_CHECKS) this.#socket.destroy();
    };
    look();
    this.#watch = setInterval(look, this.#limits.stallTimeoutMs / STALL_CHECKS).unref();
  }

  #drained(): void {
    this.#pause(false);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { resolve } of waiting) resolve();
  }

  #closed(): void {
    clearInterval(this.#watch);
    this.#collected = "";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(gone());
  }
}

/** Bytes that the system has not got yet; of a large write under way only its handle knows how many. */
function untaken(socket: Socket & { _handle?: { writeQueueSize?: number } | null }): number {
  return socket.writableLength + (socket._handle?.writeQueueSize ?? 0);
}

const callAll = (takers: readonly Taker[]) => (error?: Error | null) => {
  for (const taker of takers) taker(error);
};

export const gone = () => new AuthdError("cancelled", "The client has closed its connection.");
