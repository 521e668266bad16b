/** Handles one request on the wire: undici reports its progress here, while time limits and the caller's signal run. */

import type { Dispatcher } from "undici";
import type { Cancellation } from "../base/cancellation.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Connection } from "./connection.ts";
import { HttpFailure, type HttpRequest, type HttpResponse } from "./http.ts";
import { IncomingBody } from "./incoming-body.ts";
import { IncomingResponse } from "./incoming-response.ts";
import { BAD_FRAMING } from "./response-error.ts";

export const CONNECT_TIMEOUT_MS = 10_000;
/** Node runs longer timers after 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class ResponseHandler implements Dispatcher.DispatchHandler {
  /** True once the promise of the response is fulfilled or rejected. */
  isSettled = false;
  /** Returns the connection that carries this request; set by the client that takes the request. */
  connectionOf: () => Connection | undefined = () => undefined;
  readonly #startedAt = performance.now();
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (failure: HttpFailure) => void;
  readonly #signal: Cancellation | undefined;
  readonly #onAbort: () => void;
  /** On performance.now()'s clock. */
  readonly #connectDeadline: number;
  readonly #responseDeadline: number;
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #body: IncomingBody | undefined;
  #isSent = false;
  #connection: Connection | undefined;
  #isReused = false;
  /** True once a byte of the response came. */
  #isAnswered = false;

  constructor(
    { signal, timeoutMs = Number.POSITIVE_INFINITY, connectTimeoutMs }: HttpRequest,
    resolve: (response: HttpResponse) => void,
    reject: (failure: HttpFailure) => void,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#onAbort = () => this.#fail("The request was taken back.", "ABORT_ERR");
    const now = performance.now();
    this.#connectDeadline = now + (connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    this.#responseDeadline = now + timeoutMs;
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#setTimer(Math.min(this.#connectDeadline, this.#responseDeadline), now);
  }

  /** Sets one timer for both limits, as hardly any request reaches the first. */
  #setTimer(deadline: number, now: number): void {
    const ms = Math.min(Math.max(1, Math.ceil(deadline - now)), MAX_TIMER_MS);
    this.#timer = setTimeout(() => {
      const later = performance.now();
      const isOver = later >= this.#responseDeadline;
      if (!this.#isSent && (isOver || later >= this.#connectDeadline)) {
        // After a pause of the process, timers run before a connection that opened meanwhile is told of.
        setImmediate(() => this.#failUnlessSent());
      } else if (isOver) {
        this.#fail("No answer in time.", "UND_ERR_HEADERS_TIMEOUT");
      } else {
        this.#setTimer(
          this.#isSent
            ? this.#responseDeadline
            : Math.min(this.#connectDeadline, this.#responseDeadline),
          later,
        );
      }
    }, ms);
  }

  /** Fails the request if it still waits for its connection. */
  #failUnlessSent(): void {
    if (this.isSettled) return;
    if (this.#isSent) this.#setTimer(this.#responseDeadline, performance.now());
    else this.#fail("No connection in time.", "UND_ERR_CONNECT_TIMEOUT");
  }

  /** Called when the connection is open and the request about to be written. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Whether a request may be sent again is decided in http.ts, not by undici.
    if (this.isSettled || this.#isSent) {
      controller.abort(new Error("taken back, or sent before"));
      return;
    }
    this.#controller = controller;
    this.#isSent = true;
    const connection = this.connectionOf()!;
    this.#isReused = connection.requests > 0 || connection.openedAt < this.#startedAt;
    connection.requests++;
    connection.heads.expectHead();
    this.#connection = connection;
  }

  onResponseStarted(): void {
    this.#isAnswered = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpResponse["headers"],
    statusText = "",
  ): void {
    clearTimeout(this.#timer);
    this.isSettled = true;
    const body = new IncomingBody(controller, () => this.#release());
    this.#body = body;
    const connection = this.#connection!;
    const head = { status, statusText, headers, connection, reused: this.#isReused };
    this.#resolve(new IncomingResponse(head, body));
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#release();
    this.#body?.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const known = innermost(error);
    const isParsers = known.name === "HTTPParserError";
    this.#fail(known.message, known.code ?? (isParsers ? BAD_FRAMING : "UNKNOWN"), known.syscall);
  }

  #fail(message: string, code: string, syscall?: string): void {
    const failure = new HttpFailure(message, {
      code,
      sent: this.#isSent,
      reused: this.#isReused,
      answered: this.#isAnswered || this.#connection?.heads.hasBegun === true,
      ...omitUndefined({ syscall }),
    });
    clearTimeout(this.#timer);
    this.#release();
    if (this.#body) this.#body.fail(failure);
    else if (!this.isSettled) {
      this.isSettled = true;
      this.#reject(failure);
      this.#controller?.abort(failure);
    }
  }

  #release(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** Returns the error of the first address, if several were tried. */
function innermost(error: Error): NodeJS.ErrnoException {
  return error instanceof AggregateError && error.errors[0] instanceof Error
    ? innermost(error.errors[0])
    : error;
}
