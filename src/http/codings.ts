/** The content codings that answers may come in (RFC 9110 section 8.4.1). */
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";

/** Codings that one answer may have on top of each other. */
export const MOST_CODINGS = 5;

const CHUNK = { chunkSize: 64 * 1024 };

/** One row a coding: what undoes it, by the first byte of what came. */
export const CODINGS: Readonly<Record<string, (first: number) => Transform>> = {
  gzip: () => zlib.createGunzip(CHUNK),
  "x-gzip": () => zlib.createGunzip(CHUNK),
  br: () => zlib.createBrotliDecompress(CHUNK),
  // Many servers send it without the zlib wrapper that the RFC asks for.
  deflate: (first) =>
    (first & 0x0f) === 8 ? zlib.createInflate(CHUNK) : zlib.createInflateRaw(CHUNK),
};

/** Returns the codings of a Content-Encoding in the order to undo, `identity` left out. */
export function codingsOf(value: string): string[] {
  const names = value.split(",").map((name) => name.trim().toLowerCase());
  return names.filter((name) => name !== "" && name !== "identity").reverse();
}

export const isKnownCoding = (name: string) => Object.hasOwn(CODINGS, name);

/** For the end of a sentence that begins with the host's name. */
export const tooManyCodings = (count: number) =>
  `sent an answer in ${count} content codings on top of each other; authd undoes ${MOST_CODINGS} at most`;
