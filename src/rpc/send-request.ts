/** The client's side of an authorized request with a body, in one message or in parts. */
import { isUtf8 } from "node:buffer";
import { AuthdError } from "../errors.ts";
import {
  type AuthorizedResponse,
  type ChunkResult,
  MAX_BODY_BYTES,
  MAX_FRAME_BYTES,
  type OpenResult,
  type ParamsOf,
} from "../protocol.ts";
import type { DaemonConnection, RequestOptions } from "./daemon-connection.ts";

/** An authorized request without its body. */
export type RequestHead = Omit<ParamsOf<"authorizedRequest">, "body" | "bodyBase64">;

/** A body that is not held as a whole. */
export interface BodyStream {
  parts: AsyncIterable<Uint8Array>;
  /** Its length, where that is known. */
  bytes?: number | undefined;
  /** Ends a wait for the next part: nobody wants it any more. */
  cancel?(): void;
}

/** Of a message, what is left for all that is not the body: URL and headers are limited, too. */
const BESIDE_BODY_BYTES = 512 * 1024;
/** Bytes of a chunk: smaller ones cost more messages, larger ones hold up other clients of the daemon. */
const CHUNK_BYTES = 128 * 1024;
/** Chunks that are sent before the first of them is answered. */
const WINDOW = 8;
/** While the body pauses so long (ms), an empty chunk says that it goes on, and brings the end of an early answer. */
const KEEPALIVE_MS = 1_000;

/**
 * Sends a request in one message if its body fits, otherwise in parts. Rejects like `request`. Of a body in
 * parts, `timeoutMs` limits the beginning alone: chunks wait for an API that may be slow, and authd
 * limits how long it may take nothing.
 */
export async function sendRequest(
  connection: DaemonConnection,
  head: RequestHead,
  body: Buffer | BodyStream | undefined,
  options?: RequestOptions,
): Promise<AuthorizedResponse> {
  if (body !== undefined && !Buffer.isBuffer(body)) {
    return await sendInParts(connection, head, body, options);
  }
  const encoded = body === undefined ? {} : encodeInMessage(body);
  if (!encoded) {
    const stream = { parts: once(body!), bytes: body!.length };
    return await sendInParts(connection, head, stream, options);
  }
  const params = { ...head, ...encoded };
  return (await connection.request("authorizedRequest", params, options)) as AuthorizedResponse;
}

/** Returns the shorter of the two ways to write a body in JSON; undefined if it is too long for one message. */
export function encodeInMessage(
  body: Buffer,
): { body: string } | { bodyBase64: string } | undefined {
  if (body.length > MAX_BODY_BYTES) return undefined;
  const mostBytes = MAX_FRAME_BYTES - BESIDE_BODY_BYTES;
  const base64Bytes = Math.ceil(body.length / 3) * 4;
  const text = isUtf8(body) ? body.toString() : undefined;
  const textBytes = text === undefined ? Number.POSITIVE_INFINITY : jsonBytes(text);
  if (Math.min(textBytes, base64Bytes) > mostBytes) return undefined;
  return text !== undefined && textBytes <= base64Bytes
    ? { body: text }
    : { bodyBase64: body.toString("base64") };
}

const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - '""'.length;

async function sendInParts(
  connection: DaemonConnection,
  head: RequestHead,
  { parts, bytes, cancel }: BodyStream,
  options?: RequestOptions,
): Promise<AuthorizedResponse> {
  const iterator = slices(parts);
  try {
    const params = { ...head, ...(bytes === undefined ? {} : { bodyBytes: bytes }) };
    const opened = await connection.request("request/open", params, options);
    const { upload } = opened as OpenResult;
    const chunkOptions = { signal: options?.signal };
    let seq = 0;
    return await pump(iterator, (part, last) => {
      const data = Buffer.from(part.buffer, part.byteOffset, part.length).toString("base64");
      const chunk = { upload, seq: seq++, data, ...(last ? { last } : {}) };
      return connection.request("request/chunk", chunk, chunkOptions) as Promise<ChunkResult>;
    });
  } finally {
    cancel?.();
    // In the background: a source that is being read ends when that is over.
    void iterator.return(undefined).catch(() => {});
  }
}

type Send = (part: Uint8Array, last: boolean) => Promise<ChunkResult>;

/** Sends all parts, WINDOW of them ahead of their answers, until one of them brings the response. */
async function pump(
  iterator: AsyncGenerator<Uint8Array, undefined>,
  send: Send,
): Promise<AuthorizedResponse> {
  const unanswered: Promise<ChunkResult>[] = [];
  const add = (part: Uint8Array, last: boolean) => {
    const answer = send(part, last);
    answer.catch(() => {});
    unanswered.push(answer);
  };
  for (let next = read(iterator); ; ) {
    const isFull = unanswered.length >= WINDOW;
    const event = isFull ? await unanswered[0]! : await firstOf(next, unanswered[0]);
    if (isResponse(event)) return event;
    if (isRead(event)) {
      add(event.part ?? EMPTY, event.part === undefined);
      if (event.part === undefined) return await responseIn(unanswered);
      next = read(iterator);
    } else if (unanswered.shift() === undefined) {
      // No answer was due: the body pauses.
      add(EMPTY, false);
    }
  }
}

/** The answers come in the order of the chunks. */
async function responseIn(answers: readonly Promise<ChunkResult>[]): Promise<AuthorizedResponse> {
  for (const answer of answers) {
    const result = await answer;
    if (isResponse(result)) return result;
  }
  throw new AuthdError("internal", "authd has not answered the end of the body.");
}

const EMPTY = new Uint8Array();
const isResponse = (event: Read | ChunkResult): event is AuthorizedResponse => "status" in event;
const isRead = (event: Read | ChunkResult): event is Read => "part" in event;

interface Read {
  /** Undefined at the end. */
  part: Uint8Array | undefined;
}

function read(iterator: AsyncGenerator<Uint8Array, undefined>): Promise<Read> {
  const next = iterator.next().then(({ done, value }) => ({ part: done ? undefined : value }));
  // It may fail while an answer is awaited.
  next.catch(() => {});
  return next;
}

/** Resolves with the next part or the oldest answer; if no answer is due, with nothing after a while. */
async function firstOf(
  next: Promise<Read>,
  oldest: Promise<ChunkResult> | undefined,
): Promise<Read | ChunkResult> {
  if (oldest !== undefined) return await Promise.race([next, oldest]);
  let timer: NodeJS.Timeout | undefined;
  const pause = new Promise<ChunkResult>((resolve) => {
    timer = setTimeout(() => resolve({}), KEEPALIVE_MS);
  });
  try {
    return await Promise.race([next, pause]);
  } finally {
    clearTimeout(timer);
  }
}

async function* once(part: Uint8Array): AsyncGenerator<Uint8Array, undefined> {
  yield part;
}

async function* slices(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  for await (const part of parts) {
    if (!(part instanceof Uint8Array)) throw new TypeError("A body consists of Uint8Arrays.");
    for (let from = 0; from < part.length; from += CHUNK_BYTES) {
      yield part.subarray(from, from + CHUNK_BYTES);
    }
  }
}
