import { AuthdError } from "../errors.ts";
import type { AuthorizedResponse, Notifications } from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "./daemon-connection.ts";
import { bodyOf } from "./fetch-body.ts";
import { ReceivedStream } from "./received-stream.ts";
import { type BodyStream, type RequestHead, sendRequest } from "./send-request.ts";

/** The shape of the platform's own `fetch`. */
export type Fetch = (
  input: string | URL | Request,
  init?: RequestInit & { duplex?: "half" },
) => Promise<Response>;

/** Bytes of a body that are read ahead of their consumer. */
const READ_AHEAD_BYTES = 256 * 1024;
/** Longest timeout that authd takes: as with `fetch`, the caller's signal ends a request. */
const NO_TIMEOUT_MS = 86_400_000;
/** A Response must not have a body with these (Fetch, section 2.2.3). */
const NULL_BODY = [204, 205, 304];

/**
 * A `fetch` whose requests authd sends, with the credential's headers. Each has a connection of its
 * own: a body that is read slowly holds up nothing else. Redirects are followed by authd, within
 * the credential's origins. Rejects with AuthdError, or with the signal's reason.
 */
export function fetchThrough(open: () => Promise<DaemonConnection>, credential: string): Fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const signal = signalOf(input, init) ?? request.signal;
    signal.throwIfAborted();
    const body = await bodyOf(request, init?.body, signal);
    const { url, method } = request;
    // The daemon tells the API the length of a body.
    const { "content-length": _, ...headers } = Object.fromEntries(request.headers);
    const about = { url, method, headers, stream: true, timeoutMs: NO_TIMEOUT_MS };
    const connection = await open();
    try {
      return await respond(connection, { credential, ...about }, body, signal);
    } catch (error) {
      connection.destroy();
      throw signal.aborted ? signal.reason : error;
    }
  };
}

/** The caller's own: Node holds what a Request makes of it so loosely that it may be collected. */
function signalOf(...[input, init]: Parameters<Fetch>): AbortSignal | undefined {
  if (init?.signal !== undefined) return init.signal ?? undefined;
  return input instanceof Request ? input.signal : undefined;
}

function respond(
  connection: DaemonConnection,
  params: RequestHead,
  requestBody: Buffer | BodyStream | undefined,
  signal: AbortSignal,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    let body: ReadableStreamDefaultController<Uint8Array> | undefined;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          body = controller;
        },
        pull: () => connection.resume(),
        cancel: () => connection.destroy(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD_BYTES }),
    );
    const received = new ReceivedStream(params.credential);
    connection.onNotification = (name, told) => {
      if (name === "response/head") {
        resolve(responseOf(told as Notifications["response/head"], stream));
      } else if (name === "response/chunk") {
        body?.enqueue(received.take(told as Notifications["response/chunk"]));
        if ((body?.desiredSize ?? 0) <= 0) connection.pause();
      }
    };
    const end = (result: unknown) => {
      received.assertWhole(result as AuthorizedResponse);
      connection.destroy();
      body?.close();
    };
    const fail = (error: unknown) => {
      connection.destroy();
      const reason = signal.aborted
        ? signal.reason
        : error instanceof ConnectionLost
          ? broken(params.credential)
          : error;
      reject(reason);
      body?.error(reason);
    };
    sendRequest(connection, params, requestBody, { signal }).then(end).catch(fail);
  });
}

function responseOf(
  { status, statusText, headers, url }: Notifications["response/head"],
  stream: ReadableStream<Uint8Array>,
): Response {
  const list = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  );
  const body = NULL_BODY.includes(status) ? null : stream;
  const response = new Response(body, { status, statusText, headers: list });
  // The constructor has no way to say it.
  return Object.defineProperty(response, "url", { value: url });
}

const broken = (credential: string) =>
  new AuthdError("request_failed", "The connection to authd broke before the answer was whole.", {
    credential,
  });
