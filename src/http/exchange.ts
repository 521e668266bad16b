/** One request on the wire and its answer: what undici calls, while time limits and the caller's signal run. */
import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { Connection } from "./connection.ts";
import {
  HttpFailure,
  type HttpRequest,
  type HttpResponse,
  TOO_MANY_INTERIM_ANSWERS,
} from "./http.ts";

export const CONNECT_TIMEOUT_MS = 10_000;
/** Interim answers (1xx) before the final one; Node and browsers expect one or two. */
const MOST_INTERIM_ANSWERS = 32;
/** Milliseconds; Node takes longer ones for 1. */
const LONGEST_TIMER = 2 ** 31 - 1;

export class Exchange implements Dispatcher.DispatchHandler {
  settled = false;
  /** Returns the connection that carries this request; set by the client that takes the request. */
  connectionOf: () => Connection | undefined = () => undefined;
  readonly #startedAt = performance.now();
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (failure: HttpFailure) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  /** On performance.now()'s clock. */
  readonly #connectBy: number;
  readonly #answerBy: number;
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #body: Readable | undefined;
  #sent = false;
  #connection: Connection = { openedAt: 0, requests: 0 };
  #reused = false;
  /** Some byte of the answer came. */
  #answered = false;
  #interimAnswers = 0;

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
    this.#connectBy = now + (connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    this.#answerBy = now + timeoutMs;
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#await(Math.min(this.#connectBy, this.#answerBy), now);
  }

  /** One timer for both limits, as hardly any request reaches the first. */
  #await(deadline: number, now: number): void {
    const ms = Math.min(Math.max(1, Math.ceil(deadline - now)), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      const later = performance.now();
      const over = later >= this.#answerBy;
      if (!this.#sent && (over || later >= this.#connectBy)) {
        this.#fail("No connection in time.", "UND_ERR_CONNECT_TIMEOUT");
      } else if (over) {
        this.#fail("No answer in time.", "UND_ERR_HEADERS_TIMEOUT");
      } else {
        this.#await(this.#sent ? this.#answerBy : Math.min(this.#connectBy, this.#answerBy), later);
      }
    }, ms);
  }

  /** The connection is there and the request about to be written. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.settled) {
      controller.abort(new Error("taken back"));
      return;
    }
    this.#controller = controller;
    this.#sent = true;
    this.#connection = this.connectionOf() ?? this.#connection;
    this.#reused = this.#connection.requests > 0 || this.#connection.openedAt < this.#startedAt;
    this.#connection.requests++;
  }

  onResponseStarted(): void {
    this.#answered = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpResponse["headers"],
    statusText = "",
  ): void {
    if (status < 200) {
      this.#countInterim();
      return;
    }
    clearTimeout(this.#timer);
    this.settled = true;
    const body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => controller.resume(),
      destroy: (error, done) => {
        this.#release();
        if (!body.readableEnded) controller.abort(error ?? new Error("not wanted any more"));
        done(error);
      },
    });
    // An answer can break before its reader has taken hold of it; that must not end the process.
    body.on("error", () => {});
    this.#body = body;
    const [connection, reused] = [this.#connection, this.#reused];
    this.#resolve({ status, statusText, headers, body, connection, reused });
  }

  #countInterim(): void {
    this.#interimAnswers++;
    if (this.#interimAnswers <= MOST_INTERIM_ANSWERS) return;
    this.#fail(`More than ${MOST_INTERIM_ANSWERS} interim answers.`, TOO_MANY_INTERIM_ANSWERS);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#release();
    this.#body?.push(null);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const known = innermost(error);
    this.#fail(known.message, known.code ?? "UNKNOWN", known.syscall);
  }

  #fail(message: string, code: string, syscall?: string): void {
    const failure = new HttpFailure(message, {
      code,
      sent: this.#sent,
      reused: this.#reused,
      answered: this.#answered,
      ...(syscall === undefined ? {} : { syscall }),
    });
    clearTimeout(this.#timer);
    this.#release();
    if (this.#body) this.#body.destroy(failure);
    else if (!this.settled) {
      this.settled = true;
      this.#reject(failure);
      this.#controller?.abort(failure);
    }
  }

  #release(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** Of several addresses that were tried, the first one's error. */
function innermost(error: Error): NodeJS.ErrnoException {
  return error instanceof AggregateError && error.errors[0] instanceof Error
    ? innermost(error.errors[0])
    : error;
}
