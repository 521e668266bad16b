import { AuthdError } from "../errors.ts";
import { JsonBounds, type JsonLimits } from "./json-bounds.ts";

/**
 * The two ways to put JSON on the socket: one message a line, or the Language Server Protocol's
 * base protocol (`Content-Length: N`, an empty line, N bytes). Used by both ends of it.
 */
export type Framing = "lines" | "base";

const NEWLINE = 10;
const PREFIX = Buffer.from("Content-Length: ");
const MAX_HEADER_BYTES = 4096;
const HEADER_END = "\r\n\r\n";
const EMPTY = Buffer.alloc(0);
const LARGE_BYTES = 512 * 1024;
const ROOM_BYTES = 8 * 1024 * 1024;
/** Byte order mark, which some writers of UTF-8 put first. */
const MARK = Buffer.from("\ufeff");
/** The first bytes of a connection that speaks lines: `{`, `[` and white space. */
const LINE_STARTS = [0x7b, 0x5b, 0x20, 0x09, 0x0a, 0x0d];

/** Returns one message as it goes over the socket; `bytes` is the length of `json` in UTF-8. */
export function frame(framing: Framing, json: string, bytes: number): string {
  return framing === "lines" ? `${json}\n` : baseHeader(bytes) + json;
}

/** Returns what stands before a message of so many bytes in the base protocol. */
export const baseHeader = (bytes: number) => `Content-Length: ${bytes}\r\n\r\n`;

/**
 * Cuts a stream of bytes into frames. The first byte decides the framing. What `onFrame` gets is
 * only valid during the call. Throws AuthdError `invalid_params` or `request_too_large` for what
 * can't be cut, before a body that is too long is read; nothing can be read after that. With
 * `jsonLimits` a frame over them is refused as soon as the byte that exceeds them has come.
 */
export class FrameParser {
  framing: Framing | undefined;
  /** Counts for the frames from now on. */
  maxBytes: number;
  readonly #onFrame: (body: Buffer) => void;
  readonly #bounds: JsonBounds | undefined;
  #held: Buffer = EMPTY;
  #used = 0;
  /** Length of the body that is being collected; -1 between frames and in lines. */
  #need = -1;
  #bodyStart = 0;

  constructor(maxBytes: number, onFrame: (body: Buffer) => void, jsonLimits?: JsonLimits) {
    this.maxBytes = maxBytes;
    this.#onFrame = onFrame;
    this.#bounds = jsonLimits && new JsonBounds(jsonLimits);
  }

  /** Bytes that are kept until their frame is whole. */
  get held(): number {
    return this.#used;
  }

  /** A frame has begun and is not whole. */
  get partial(): boolean {
    return this.#used > 0 || this.#need >= 0;
  }

  push(chunk: Buffer): void {
    if (this.framing === undefined) this.#begin(chunk);
    else if (this.framing === "lines") this.#lines(chunk);
    else this.#base(chunk);
  }

  /** Skips byte order marks, and chooses the framing by the first byte behind them. */
  #begin(chunk: Buffer): void {
    let bytes = this.#used > 0 ? Buffer.concat([this.#take(), chunk]) : chunk;
    while (MARK.equals(bytes.subarray(0, MARK.length))) bytes = bytes.subarray(MARK.length);
    if (MARK.subarray(0, bytes.length).equals(bytes)) return void this.#hold(bytes);
    this.framing = LINE_STARTS.includes(bytes[0]!) ? "lines" : "base";
    this.push(bytes);
  }

  /** The stream has ended: a last line needs no newline; half a frame is dropped. */
  end(): void {
    if (this.framing === "lines" && this.#used > 0) this.#line(this.#take());
  }

  #lines(chunk: Buffer): void {
    let start = 0;
    let end = chunk.indexOf(NEWLINE);
    if (end !== -1 && this.#used > 0) {
      this.#holdBody(chunk.subarray(0, end));
      this.#line(this.#take());
      start = end + 1;
      end = chunk.indexOf(NEWLINE, start);
    }
    while (end !== -1) {
      this.#line(this.#whole(chunk.subarray(start, end)));
      start = end + 1;
      end = chunk.indexOf(NEWLINE, start);
    }
    this.#holdBody(chunk.subarray(start));
    if (this.#used > this.maxBytes) throw tooLarge(this.maxBytes);
  }

  #line(line: Buffer): void {
    if (line.length > this.maxBytes) throw tooLarge(this.maxBytes);
    if (!isBlank(line)) this.#onFrame(line);
  }

  #base(chunk: Buffer): void {
    let bytes = chunk;
    let start = 0;
    if (this.#need >= 0) {
      start = Math.min(this.#need - this.#used, chunk.length);
      this.#holdBody(chunk.subarray(0, start));
      if (this.#used < this.#need) return;
      this.#need = -1;
      this.#onFrame(this.#take());
    } else if (this.#used > 0) {
      // At most a header block is held here, so this copies little.
      bytes = Buffer.concat([this.#take(), chunk]);
    }
    while (start < bytes.length) {
      const length = this.#header(bytes, start);
      if (length > this.maxBytes) throw tooLarge(this.maxBytes);
      const end = this.#bodyStart + length;
      if (length === -1 || end > bytes.length) {
        this.#need = length;
        if (length === -1) this.#hold(bytes.subarray(start));
        else this.#holdBody(bytes.subarray(this.#bodyStart));
        return;
      }
      this.#onFrame(this.#whole(bytes.subarray(this.#bodyStart, end)));
      start = end;
    }
  }

  /** The body's length, with `#bodyStart` set; -1 if the header block is not whole. */
  #header(bytes: Buffer, start: number): number {
    let at = start;
    while (at - start < PREFIX.length && bytes[at] === PREFIX[at - start]) at++;
    if (at - start < PREFIX.length) return this.#oddHeader(bytes, start);
    const digits = at;
    let length = 0;
    for (; at - digits < 10; at++) {
      const digit = bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      length = length * 10 + digit;
    }
    const ended =
      bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10;
    if (at === digits || !ended) return this.#oddHeader(bytes, start);
    this.#bodyStart = at + 4;
    return length;
  }

  /** Everything but a lone, canonical Content-Length. */
  #oddHeader(bytes: Buffer, start: number): number {
    const block = bytes.toString("latin1", start, start + MAX_HEADER_BYTES + 4);
    const end = block.indexOf(HEADER_END);
    if (/(^|[^\r])\n/.test(end === -1 ? block : block.slice(0, end))) {
      throw malformed("a line of the header does not end in CR LF");
    }
    // Refused only once its end must have come: however the stream is cut, the same headers are read.
    if (end === -1 && block.length === MAX_HEADER_BYTES + HEADER_END.length) {
      throw malformed(`the header is longer than ${MAX_HEADER_BYTES} bytes`);
    }
    if (end === -1) return -1;
    this.#bodyStart = start + end + HEADER_END.length;
    return contentLength(block.slice(0, end));
  }

  /** Returns a body that has come in one piece, within the JSON limits. */
  #whole(body: Buffer): Buffer {
    if (!this.#bounds || this.#bounds.isSmall(body.length)) return body;
    this.#bounds.scan(body);
    this.#bounds.reset();
    return body;
  }

  /** Keeps a part of a body that has not come whole. */
  #holdBody(part: Buffer): void {
    this.#bounds?.scan(part);
    this.#hold(part);
  }

  /**
   * Doubles its room as it fills: no quadratic copying, and nothing reserved on a bare claim. From
   * LARGE_BYTES on it has ROOM_BYTES, so that megabytes are never moved: the system gives memory only
   * to what is written.
   */
  #hold(part: Buffer): void {
    if (part.length === 0) return;
    const used = this.#used + part.length;
    if (used > this.#held.length) {
      const doubled = Math.max(used, this.#held.length * 2);
      const roomier = Buffer.allocUnsafe(
        doubled < LARGE_BYTES ? doubled : Math.max(doubled, Math.min(this.maxBytes, ROOM_BYTES)),
      );
      this.#held.copy(roomier, 0, 0, this.#used);
      this.#held = roomier;
    }
    part.copy(this.#held, this.#used);
    this.#used = used;
  }

  #take(): Buffer {
    const whole = this.#held.subarray(0, this.#used);
    this.#held = EMPTY;
    this.#used = 0;
    this.#bounds?.reset();
    return whole;
  }
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}

function contentLength(block: string): number {
  let found: string | undefined;
  for (const line of block.split("\r\n")) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw malformed("the header has a line that is not `name: value`");
    }
    if (name.toLowerCase() !== "content-length") continue;
    if (!/^\d{1,15}$/.test(value)) throw malformed("Content-Length is not a plain number");
    if (found !== undefined && Number(found) !== Number(value)) {
      throw malformed("Content-Length is given twice, with different values");
    }
    found = value;
  }
  if (found === undefined) throw malformed("the header has no Content-Length");
  return Number(found);
}

const malformed = (what: string) =>
  new AuthdError(
    "invalid_params",
    `The frame can't be read: ${what}. Send one JSON object a line, or \`Content-Length: N\`, an empty line and N bytes of JSON.`,
  );

const tooLarge = (maxBytes: number) =>
  new AuthdError("request_too_large", `The frame is longer than ${maxBytes} bytes.`);
