import type { AbstractCancellationTokenSource, CancellationToken } from "vscode-jsonrpc";
import { type Cancellation, Canceller } from "../base/cancellation.ts";
import type { Id, JsonNumber } from "../base/json-text.ts";
import type { LastingReservation, ResponseReservation } from "../base/memory-budget.ts";
import { AuthdError } from "../errors.ts";
import type { Method, Notifications, ParamsOf, Results } from "../protocol.ts";
import type { UploadBody } from "../request/upload-body.ts";
import type { Peer } from "./peer.ts";
import { gone } from "./write-buffer.ts";

/** One client's connection: the same object for all of its calls. */
export interface ConnectionHandle {
  readonly closed: boolean;
  /** Runs `listener` once, when the connection is gone; at once if it already is. */
  onClose(listener: () => void): void;
  /** Takes no more requests, and ends the connection when the client says `exit` or after a while. */
  leave(): void;
}

/** Params as they are sent: a number may be one of the client's own, as it was written. */
type Sent<Params> = {
  [Name in keyof Params]: number extends Params[Name] ? Params[Name] | JsonNumber : Params[Name];
};

/** A request, as its handler knows it besides its params. */
export interface Call {
  readonly id: Id;
  /** Aborted when the client cancels the request or is gone. */
  readonly signal: Cancellation;
  /** Undefined where the system can't tell, as on Windows. */
  readonly peer: Peer | undefined;
  readonly connection: ConnectionHandle;
  /**
   * Noted for the audit log: the rule that let the call pass or did not, the token that was sent with it, and
   * the origin of an authorizedRequest's URL.
   */
  rule?: string | undefined;
  origin?: string | undefined;
  issued?: object | undefined;
  /**
   * Accounts for an answer that is fetched from elsewhere, until the client has taken it. Throws
   * AuthdError `too_busy`.
   */
  room(): ResponseReservation;
  /** Like `room`, but until it is released, also after the answer to this call. */
  lastingRoom(): LastingReservation;
  /** Releases `room` when the client has taken the answer to this call. */
  releasesWhenTaken(room: LastingReservation): void;
  /** The body of an authorizedRequest that comes in parts. */
  readonly upload?: UploadBody;
  /**
   * Tells this client something, also after the call itself is answered. Resolves when there is
   * room for the next notification; rejects when the connection is gone.
   */
  notify<N extends keyof Notifications>(name: N, params: Sent<Notifications[N]>): Promise<void>;
}

/** Handlers by method. A handler that need not wait returns its result, not a promise. */
export type Handlers = {
  [M in Method]: (params: ParamsOf<M>, call: Call) => Results[M] | Promise<Results[M]>;
};

/** The handlers of all methods but those that send a body in parts: these are made of authorizedRequest. */
export type HandlersWithoutUploads = Omit<Handlers, "request/open" | "request/chunk">;

/** The part of a connection that its calls use. */
export interface CallConnection extends ConnectionHandle {
  readonly peer: Peer | undefined;
  readonly calls: Set<ServerCall>;
  room(id: Id): ResponseReservation;
  lastingRoom(): LastingReservation;
  releaseWhenTaken(id: Id, room: LastingReservation): void;
  send(name: string, params: object): Promise<void>;
}

/**
 * A request in progress. It stands in for vscode-jsonrpc's cancellation token, which is all that
 * vscode-jsonrpc hands to a handler: the request's id can't be had otherwise.
 */
export class ServerCall implements Call, AbstractCancellationTokenSource, CancellationToken {
  readonly id: Id;
  isCancellationRequested = false;
  rule: string | undefined = undefined;
  origin: string | undefined = undefined;
  issued: object | undefined = undefined;
  readonly #home: CallConnection;
  #canceller: Canceller | undefined;
  #onCancel: (() => void) | undefined;
  #why: AuthdError | undefined;

  constructor(id: Id, home: CallConnection) {
    this.id = id;
    this.#home = home;
  }

  get token(): CancellationToken {
    return this;
  }

  get peer(): Peer | undefined {
    return this.#home.peer;
  }

  get connection(): ConnectionHandle {
    return this.#home;
  }

  /** Made when it is asked for: most calls are answered before they could be cancelled. */
  get signal(): Cancellation {
    if (!this.#canceller) {
      this.#canceller = new Canceller();
      if (this.isCancellationRequested) this.#canceller.cancel(this.#why);
    }
    return this.#canceller;
  }

  room(): ResponseReservation {
    return this.#home.room(this.id);
  }

  lastingRoom(): LastingReservation {
    return this.#home.lastingRoom();
  }

  releasesWhenTaken(room: LastingReservation): void {
    this.#home.releaseWhenTaken(this.id, room);
  }

  async notify<N extends keyof Notifications>(
    name: N,
    params: Sent<Notifications[N]>,
  ): Promise<void> {
    if (this.#home.closed) throw gone();
    await this.#home.send(name, params);
  }

  /** `why` is what the client is told. */
  cancel(why: AuthdError = cancelled()): void {
    if (this.isCancellationRequested) return;
    this.isCancellationRequested = true;
    this.#why = why;
    this.#canceller?.cancel(why);
    this.#onCancel?.();
  }

  /**
   * Resolves like `result`, or with `onError` of its error: as soon as the call is cancelled with the
   * reason of that, whether or not the handler looks at its signal.
   */
  settle(result: Promise<unknown>, onError: (error: unknown) => unknown): Promise<unknown> {
    const { calls } = this.#home;
    calls.add(this);
    return new Promise((resolve) => {
      const settle = (answer: unknown) => {
        calls.delete(this);
        resolve(answer);
      };
      this.#onCancel = () => settle(onError(this.#why));
      result.then(settle, (error) => settle(onError(this.#why ?? error)));
    });
  }

  onCancellationRequested(): { dispose(): void } {
    return this;
  }

  dispose(): void {}
}

export const cancelled = () => new AuthdError("cancelled", "The request was cancelled.");
