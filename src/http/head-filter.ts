/** Passes an HTTP/1 connection's bytes to undici's parser, each response's head repaired where it must be. */
import type { Socket } from "node:net";
import { ChunkLines } from "./chunk-lines.ts";
import {
  HEADERS_TOO_LONG,
  NOT_HTTP,
  SPEAKS_HTTP2,
  SPEAKS_TLS,
  SWITCHED_PROTOCOLS,
  TOO_MANY_INTERIM_ANSWERS,
} from "./response-error.ts";
import { isChunked, isWellFormed, repairHead, statusOf } from "./response-head.ts";

/** A status line and 64 KiB of headers. */
export const MAX_HEAD_BYTES = 65 * 1024;
/** Interim responses (1xx) before the final one: most servers send one or two. */
export const MAX_INTERIM_RESPONSES = 1_000;

const NOTHING = Buffer.alloc(0);
const STRICT_END = Buffer.from("\n\r\n");
const BARE_END = Buffer.from("\n\n");

export class HeadFilter {
  /** True once a byte of a response to the request under way came. */
  hasBegun = false;
  #expectsHead = false;
  #interimResponses = 0;
  /** The beginning of a head. */
  #held: Buffer | undefined;
  /** Repairs the body as well; undefined where its head needed no repair. */
  #chunks: ChunkLines | undefined;
  /** Number of bytes that the parser has put back, repaired already: the response's reader is slow. */
  #returnedBytes = 0;

  /** Takes the next byte for the first of a response. Call it before a request is written. */
  expectHead(): void {
    this.hasBegun = false;
    this.#expectsHead = true;
    this.#interimResponses = 0;
    this.#held = undefined;
    this.#chunks = undefined;
    this.#returnedBytes = 0;
  }

  /** Passes everything that is read from the socket through `take`, and ends the connection if that throws. */
  attach(socket: Socket): void {
    const read = socket.read.bind(socket);
    const unshift = socket.unshift.bind(socket);
    socket.unshift = (chunk, encoding) => {
      this.#returnedBytes += chunk.length;
      unshift(chunk, encoding);
    };
    socket.read = (size) => this.#readThrough(socket, () => read(size));
  }

  /** Returns the next bytes for the parser; null if there are none now. */
  #readThrough(socket: Socket, read: () => Buffer | null): Buffer | null {
    for (;;) {
      const chunk = read();
      if (chunk === null || !(this.#expectsHead || this.#chunks)) return chunk;
      try {
        const passed = this.take(chunk);
        if (passed.length > 0) return passed;
      } catch (error) {
        socket.destroy(error as Error);
        return null;
      }
    }
  }

  /** Returns what the parser gets of these bytes: nothing while a head is incomplete. Throws an error with a `code`. */
  take(chunk: Buffer): Buffer {
    if (!this.#expectsHead) return this.#repairBody(chunk);
    this.hasBegun = true;
    let bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    if (beginsWellFormed(bytes)) return this.#pass(bytes);
    for (;;) {
      const end = endOfHead(bytes);
      if ((end ?? bytes.length) > MAX_HEAD_BYTES) throw fault(HEADERS_TOO_LONG);
      if (end === undefined) return this.#hold(bytes);
      const head = bytes.toString("latin1", 0, end);
      if (isWellFormed(head)) return this.#pass(bytes);
      checkBeginning(bytes);
      bytes = bytes.subarray(end);
      if (!this.#isInterim(head)) return this.#repair(head, bytes);
    }
  }

  #hold(bytes: Buffer): Buffer {
    checkBeginning(bytes);
    this.#held = bytes;
    return NOTHING;
  }

  #pass(bytes: Buffer): Buffer {
    this.#expectsHead = false;
    this.#held = undefined;
    return bytes;
  }

  #repair(head: string, body: Buffer): Buffer {
    const repaired = repairHead(head);
    if (isChunked(repaired)) this.#chunks = new ChunkLines();
    const parts = [Buffer.from(repaired, "latin1"), this.#chunks?.take(body) ?? body];
    return this.#pass(Buffer.concat(parts));
  }

  #repairBody(bytes: Buffer): Buffer {
    if (!this.#chunks) return bytes;
    const returned = bytes.subarray(0, this.#returnedBytes);
    const strict = this.#chunks.take(bytes.subarray(returned.length));
    this.#returnedBytes -= returned.length;
    return returned.length > 0 ? Buffer.concat([returned, strict]) : strict;
  }

  /** True for an interim response (RFC 9110 section 15.2), which is skipped. */
  #isInterim(head: string): boolean {
    const status = statusOf(head.replace(/^[\r\n]+/, ""));
    if (status === undefined) throw fault(NOT_HTTP);
    if (status >= 200) return false;
    // Nothing of what is sent asks for another protocol.
    if (status === 101) throw fault(SWITCHED_PROTOCOLS);
    this.#interimResponses++;
    if (this.#interimResponses > MAX_INTERIM_RESPONSES) throw fault(TOO_MANY_INTERIM_ANSWERS);
    return true;
  }
}

/** True for the bytes of nearly every response: those of a whole head that needs no repair. */
function beginsWellFormed(bytes: Buffer): boolean {
  const end = bytes.indexOf(STRICT_END);
  return (
    end >= 0 && end + 3 <= MAX_HEAD_BYTES && isWellFormed(bytes.toString("latin1", 0, end + 3))
  );
}

/** Returns the number of bytes up to the end of the first empty line, which may lack its CR; undefined if there is none yet. */
function endOfHead(bytes: Buffer): number | undefined {
  let start = 0;
  while (bytes[start] === 13 || bytes[start] === 10) start++;
  const strict = bytes.indexOf(STRICT_END, start);
  const bare = bytes.subarray(start, strict < 0 ? bytes.length : strict + 1).indexOf(BARE_END);
  if (bare >= 0) return start + bare + 2;
  return strict < 0 ? undefined : strict + 3;
}

/** Throws if this can't be the beginning of an HTTP/1 response. */
function checkBeginning(bytes: Buffer): void {
  // A SETTINGS frame (RFC 9113 section 6.5), and an alert (RFC 8446 section 5.1).
  if (bytes.length >= 9 && bytes[0] === 0 && bytes[3] === 4) throw fault(SPEAKS_HTTP2);
  if (bytes[0] === 0x15 && (bytes[1] ?? 3) === 3) throw fault(SPEAKS_TLS);
  const beginning = bytes.toString("latin1", 0, 16).replace(/^[\r\n]+/, "");
  const isHttp = "http/".startsWith(beginning.slice(0, 5).toLowerCase());
  if (!isHttp && !(bytes[0] === 0 && bytes.length < 9)) throw fault(NOT_HTTP);
}

function fault(code: string): Error {
  return Object.assign(new Error("The response can't be read."), { code });
}
