/** Ends the lines of a chunked body (RFC 9112 section 7.1) in CRLF, where a server writes LF alone. */
import { BAD_FRAMING } from "./response-error.ts";

/** Bytes of one line. */
const MAX_LINE = 4_096;

export class ChunkLines {
  #place: "size" | "data" | "end of data" | "trailers" | "over" = "size";
  /** Bytes of the chunk's data that are still to come. */
  #left = 0;
  /** The beginning of a line. */
  #line = "";

  /** Returns the same part of the body with strict lines. Throws an error with the code BAD_FRAMING. */
  take(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    for (let rest = bytes; rest.length > 0; ) {
      const [taken, strict] = this.#takeSome(rest);
      parts.push(strict);
      rest = rest.subarray(taken);
    }
    return Buffer.concat(parts);
  }

  /** Returns the number of bytes that were used, and what they become. */
  #takeSome(bytes: Buffer): [number, Buffer] {
    if (this.#place === "over") return [bytes.length, bytes];
    if (this.#place === "data") {
      const data = bytes.subarray(0, this.#left);
      this.#left -= data.length;
      if (this.#left === 0) this.#place = "end of data";
      return [data.length, data];
    }
    const end = bytes.indexOf(10);
    this.#line += bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
    if (this.#line.length > MAX_LINE) throw badFraming("Chunk line too long");
    if (end < 0) return [bytes.length, Buffer.alloc(0)];
    const line = this.#line.replace(/\r$/, "");
    this.#line = "";
    this.#endLine(line);
    return [end + 1, Buffer.from(`${line}\r\n`, "latin1")];
  }

  #endLine(line: string): void {
    if (this.#place === "size") {
      const size = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw badFraming("Invalid character in chunk size");
      this.#left = Number.parseInt(size, 16);
      this.#place = this.#left === 0 ? "trailers" : "data";
    } else if (this.#place === "end of data") {
      if (line !== "") throw badFraming("Expected LF after chunk data");
      this.#place = "size";
    } else if (line === "") this.#place = "over";
  }
}

function badFraming(reason: string): Error {
  const message = `The chunks of the response are broken (${reason})`;
  return Object.assign(new Error(message), { code: BAD_FRAMING });
}
