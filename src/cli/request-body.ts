/** The body that `authd request` sends: of arguments, files and standard input. */
import { type FileHandle, open } from "node:fs/promises";
import { AuthdError, messageOf } from "../errors.ts";
import { MAX_BODY_BYTES } from "../protocol.ts";
import type { BodyStream } from "../rpc/send-request.ts";

/** So much of a body that is not read whole tells its content type. */
const BEGINNING_BYTES = 1024;
/** Bytes that are read from a file at once. */
const READ_BYTES = 256 * 1024;

export interface RequestBody {
  /** The whole body, if it fits into one message. */
  body: Buffer | BodyStream;
  /** Undefined: the body is a file as it is. */
  contentType: string | undefined;
}

/** A file that is too long to be read whole, or something whose length nobody knows. */
interface LongPiece extends BodyStream {
  beginning: Buffer;
}

/** Returns the body of `-d` (several pieces make one form, as with curl) or `-T`; undefined without either. */
export async function bodyOf(
  data: readonly string[],
  upload: string | undefined,
): Promise<RequestBody | undefined> {
  if (upload !== undefined) {
    if (data.length > 0) throw invalid("give -d or -T, not both");
    const file = upload === "-" ? standardInput() : await openFile(upload, `-T ${upload}`);
    return { body: file, contentType: undefined };
  }
  if (data.length === 0) return undefined;
  const pieces: (Buffer | LongPiece)[] = [];
  for (const piece of data) {
    if (pieces.length > 0) pieces.push(Buffer.from("&"));
    pieces.push(await read(piece));
  }
  if (pieces.every((piece) => Buffer.isBuffer(piece))) {
    const body = Buffer.concat(pieces);
    return { body, contentType: contentTypeOf(body) };
  }
  const [first] = pieces;
  const beginning = Buffer.isBuffer(first) ? first : first!.beginning;
  return { body: joined(pieces), contentType: typeByBeginning(beginning) };
}

/** JSON if it parses as such, otherwise a form. */
export function contentTypeOf(body: Buffer): string {
  try {
    JSON.parse(body.toString());
    return JSON_TYPE;
  } catch {
    return FORM_TYPE;
  }
}

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

/** Guesses the type of a body that is too long to be parsed. */
const typeByBeginning = (beginning: Buffer) =>
  /^\s*[{[]/.test(beginning.toString("latin1", 0, BEGINNING_BYTES)) ? JSON_TYPE : FORM_TYPE;

function joined(pieces: readonly (Buffer | LongPiece)[]): BodyStream {
  const lengths = pieces.map((piece) => (Buffer.isBuffer(piece) ? piece.length : piece.bytes));
  const isKnown = lengths.every((length) => length !== undefined);
  const parts = async function* () {
    for (const piece of pieces) {
      if (Buffer.isBuffer(piece)) yield piece;
      else yield* piece.parts;
    }
  };
  return {
    parts: parts(),
    bytes: isKnown ? lengths.reduce((sum, length) => sum + length, 0) : undefined,
  };
}

async function read(data: string): Promise<Buffer | LongPiece> {
  if (!data.startsWith("@")) return Buffer.from(data);
  const piece = data === "@-" ? standardInput() : await openFile(data.slice(1), `-d ${data}`);
  return await readAhead(piece);
}

/** The whole of what fits into one message; of anything longer only that much is read. */
async function readAhead({ parts, bytes }: BodyStream): Promise<Buffer | LongPiece> {
  const begun: Uint8Array[] = [];
  const iterator = parts[Symbol.asyncIterator]();
  const rest = { [Symbol.asyncIterator]: () => iterator };
  const most = bytes !== undefined && bytes > MAX_BODY_BYTES ? 0 : MAX_BODY_BYTES;
  for (let length = 0; length <= most; ) {
    const { done, value } = await iterator.next();
    if (done) return Buffer.concat(begun);
    begun.push(value);
    length += value.length;
  }
  const whole = async function* () {
    yield* begun;
    yield* rest;
  };
  return { parts: whole(), bytes, beginning: Buffer.concat(begun) };
}

const standardInput = (): BodyStream => ({ parts: process.stdin });

/** Of a regular file as many bytes as it has now, whatever is added to it meanwhile. */
async function openFile(path: string, option: string): Promise<BodyStream> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const stat = await handle.stat();
    // Reading a directory fails when it is too late for a clear word.
    if (stat.isDirectory()) throw new Error("it is a folder");
    if (!stat.isFile()) return { parts: streamOf(handle) };
    const bytes = stat.size;
    return { parts: streamOf(handle, bytes), bytes };
  } catch (error) {
    await handle?.close();
    throw invalid(`${option}: ${messageOf(error)}`, error);
  }
}

async function* streamOf(
  handle: FileHandle,
  bytes?: number,
): AsyncGenerator<Uint8Array, undefined> {
  if (bytes === 0) return void (await handle.close());
  const end = bytes === undefined ? {} : { start: 0, end: bytes - 1 };
  yield* handle.createReadStream({ highWaterMark: READ_BYTES, ...end });
}

const invalid = (text: string, cause?: unknown) =>
  new AuthdError("invalid_params", text, cause === undefined ? {} : { cause });
