/** Reads a response's body into the result, or passes it on as it comes. */

import { RETRY_AFTER_MS, type ResponseReservation } from "../base/memory-budget.ts";
import { AuthdError } from "../errors.ts";
import { collect, decodeBody, FREE_BYTES, headersOf, TooLarge } from "../http/content.ts";
import { HttpFailure, type HttpResponse } from "../http/http.ts";
import type { AuthorizedResponse } from "../protocol.ts";

/** A response without its body. */
export type ResponseHead = Pick<AuthorizedResponse, "status" | "statusText" | "url" | "headers">;

/** Receives a streamed response. Nothing more is read from the API while a promise is pending. */
export interface RequestSink {
  head(head: ResponseHead): Promise<void>;
  chunk(data: Buffer): Promise<void>;
  /** How much of the body the sink has received. */
  readonly sent: { readonly bytes: number; readonly chunks: number };
}

/** A response whose body is to be read. */
export interface UnreadResponse {
  response: HttpResponse;
  url: URL;
  /** False for HEAD, 204 and 304. */
  hasBody: boolean;
  timeoutMs: number;
  /** True while the request's body is still being sent: Upload limits how long that may take. */
  isUploading: () => boolean;
}

interface ReadLimits {
  /** The credential's name, for messages. */
  credential: string;
  maxBytes: number;
  /** Milliseconds left of `timeoutMs`. */
  leftMs: number;
  /** Accounts for the body before it is read. */
  room: ResponseReservation | undefined;
}

/** Reads the whole body. A large one is read when there is room for all of it. */
export async function readBody(
  unread: UnreadResponse,
  { credential, maxBytes, leftMs, room }: ReadLimits,
): Promise<{ head: ResponseHead; bytes: Buffer }> {
  const { response, hasBody, isUploading } = unread;
  const whole = response.headers["content-encoding"] === undefined ? response.whole?.() : undefined;
  if (whole && whole.length <= Math.min(maxBytes, FREE_BYTES)) {
    room?.keep(0);
    return { head: headOf(unread, headersOf(response)), bytes: whole };
  }
  const { headers, chunks } = decodeBody(response, hasBody);
  const length = hasBody ? headers["content-length"] : 0;
  // The length is unknown if the API does not tell it, or the body was compressed.
  const most = length === undefined ? maxBytes : Number(length);
  let isWaitingForRoom = false;
  const timeout = startTimeout(leftMs, unread.timeoutMs, isUploading, () =>
    isWaitingForRoom ? noRoom(credential) : tooSlow(),
  );
  const whenRoom = () => {
    const granted = room?.reserve(most);
    isWaitingForRoom = granted !== undefined;
    return granted?.then(() => {
      isWaitingForRoom = false;
    });
  };
  try {
    if (most > maxBytes) throw new TooLarge();
    if (most > FREE_BYTES && length !== undefined) await timeout.race(whenRoom());
    const bytes = await timeout.race(collect(chunks, maxBytes, whenRoom));
    room?.keep(bytes.length > FREE_BYTES ? bytes.length : 0);
    return { head: headOf(unread, headers), bytes };
  } finally {
    timeout.stop();
    response.body.destroy();
  }
}

/** Passes a body on as it comes. Pauses of a slow reader do not count as silence of the API. */
export async function streamBody(
  unread: UnreadResponse,
  sink: RequestSink,
): Promise<ResponseHead & RequestSink["sent"]> {
  const { response, hasBody, timeoutMs, isUploading } = unread;
  const { headers, chunks } = decodeBody(response, hasBody);
  const head = headOf(unread, headers);
  let isWaitingForApi = false;
  const timer = setTimeout(() => {
    if (isUploading()) timer.refresh();
    else if (isWaitingForApi) response.body.destroy(tooSlow());
  }, timeoutMs);
  const waitForApi = () => {
    isWaitingForApi = true;
    timer.refresh();
  };
  try {
    await sink.head(head);
    waitForApi();
    for await (const chunk of chunks) {
      isWaitingForApi = false;
      await sink.chunk(chunk);
      waitForApi();
    }
    return { ...head, ...sink.sent };
  } finally {
    clearTimeout(timer);
    response.body.destroy();
  }
}

function headOf(
  { response: { status, statusText }, url }: UnreadResponse,
  headers: ResponseHead["headers"],
): ResponseHead {
  return { status, statusText, url: url.href, headers };
}

/** Starts a timeout of `firstMs` that begins anew (`againMs`) while the request's body is being sent. */
function startTimeout(
  firstMs: number,
  againMs: number,
  isUploading: () => boolean,
  error: () => Error,
) {
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    const onTimeout = () => {
      if (isUploading()) timer = setTimeout(onTimeout, againMs);
      else reject(error());
    };
    timer = setTimeout(onTimeout, firstMs);
  });
  return {
    race: <T>(work: T | Promise<T>): Promise<T> => Promise.race([work, timedOut]),
    stop: () => clearTimeout(timer),
  };
}

function noRoom(credential: string): AuthdError {
  const text = `${credential}: the answer is there, but authd holds as many large answers as it may; the clients they are for don't take them. Use stream, or try again later.`;
  return new AuthdError("too_busy", text, { credential, retryAfterMs: RETRY_AFTER_MS });
}

function tooSlow(): HttpFailure {
  const code = "UND_ERR_BODY_TIMEOUT";
  return new HttpFailure("No more of the answer in time.", { code, sent: true });
}
