import { randomUUID } from "node:crypto";
import type { Cancellation } from "../base/cancellation.ts";
import type { Id } from "../base/json-text.ts";
import {
  type LastingReservation,
  RETRY_AFTER_MS,
  type ResponseReservation,
} from "../base/memory-budget.ts";
import { AuthdError } from "../errors.ts";
import { IDLE_MS, Upload } from "../request/upload.ts";
import { KEPT_BYTES, type UploadBody } from "../request/upload-body.ts";
import type { Call, ConnectionHandle, Handlers, HandlersWithoutUploads } from "../rpc/call.ts";
import type { Peer } from "../rpc/peer.ts";

type Params = Parameters<Handlers["request/open"]>[0];

/**
 * Adds `request/open` and `request/chunk`. An upload is one call of the authorizedRequest of `handlers`,
 * which lasts from the one to the answer of the other: so it is limited, counted and written down once.
 */
export function withUploads(handlers: HandlersWithoutUploads, idleMs = IDLE_MS): Handlers {
  const uploads = new Uploads();
  return {
    ...handlers,
    "request/open": async (params, call) => {
      const id = randomUUID();
      const onEnd = () => uploads.remove(call.connection, id);
      const sending = new UploadCall(params, call, idleMs, onEnd);
      uploads.add(call.connection, id, sending);
      const onAbort = () => sending.request.abort(call.signal.reason as AuthdError);
      call.signal.addEventListener("abort", onAbort);
      try {
        await sending.request.open(async () => await handlers.authorizedRequest(params, sending));
      } finally {
        call.signal.removeEventListener("abort", onAbort);
      }
      return { upload: id };
    },
    "request/chunk": async (params, call) => {
      const sending = uploads.get(call.connection, params.upload);
      const answer = await sending.request.take(params, call.signal);
      if ("status" in answer) sending.answeredBy(call);
      return answer;
    },
  };
}

/** The uploads of each connection. */
class Uploads {
  readonly #byConnection = new Map<ConnectionHandle, Map<string, UploadCall>>();

  add(connection: ConnectionHandle, id: string, sending: UploadCall): void {
    const known = this.#byConnection.get(connection);
    if (known) return void known.set(id, sending);
    const uploads = new Map([[id, sending]]);
    this.#byConnection.set(connection, uploads);
    connection.onClose(() => {
      this.#byConnection.delete(connection);
      for (const { request } of [...uploads.values()]) request.abort(gone());
    });
  }

  /** Throws AuthdError `invalid_params`, also for one of another connection. */
  get(connection: ConnectionHandle, id: string): UploadCall {
    const found = this.#byConnection.get(connection)?.get(id);
    if (found) return found;
    const text = `This connection has no upload ${JSON.stringify(id.slice(0, 64))}: it has ended, or was opened on another connection.`;
    throw new AuthdError("invalid_params", text);
  }

  remove(connection: ConnectionHandle, id: string): void {
    this.#byConnection.get(connection)?.delete(id);
  }
}

/** The authorizedRequest that an upload is, as a call of its own: it outlasts the one that opened it. */
class UploadCall implements Call {
  readonly upload: UploadBody;
  readonly request: Upload;
  rule: string | undefined = undefined;
  issued: object | undefined = undefined;
  readonly #params: Params;
  readonly #opener: Call;
  #room: LastingReservation | undefined;

  constructor(params: Params, opener: Call, idleMs: number, onEnd: () => void) {
    this.#params = params;
    this.#opener = opener;
    this.request = new Upload({
      params,
      idleMs,
      onForgotten: () => this.#room?.keep(0),
      onEnd: (how) => {
        onEnd();
        if (how === "lost") this.#room?.release();
      },
    });
    this.upload = this.request.body;
  }

  get id(): Id {
    return this.#opener.id;
  }

  get signal(): Cancellation {
    return this.request.signal;
  }

  get peer(): Peer | undefined {
    return this.#opener.peer;
  }

  get connection(): ConnectionHandle {
    return this.#opener.connection;
  }

  /** Reserves what is kept of the body, until the answer needs it. */
  room(): ResponseReservation {
    const room = this.lastingRoom();
    this.#room = room;
    const keptBytes = Math.min(this.#params.bodyBytes ?? KEPT_BYTES, KEPT_BYTES);
    if (room.reserve(keptBytes) !== undefined) throw tooBusy();
    return room;
  }

  lastingRoom(): LastingReservation {
    return this.#opener.lastingRoom();
  }

  releasesWhenTaken(room: LastingReservation): void {
    this.#opener.releasesWhenTaken(room);
  }

  /** The answer leaves as that of `call`. */
  answeredBy(call: Call): void {
    if (this.#room) call.releasesWhenTaken(this.#room);
  }

  notify: Call["notify"] = (name, about) => this.#opener.notify(name, about);
}

const gone = () => new AuthdError("cancelled", "The client has closed its connection.");
const tooBusy = () =>
  new AuthdError(
    "too_busy",
    "authd holds as much for its clients as it may; nothing was sent. Try again later.",
    { retryAfterMs: RETRY_AFTER_MS },
  );
