import type { Dispatcher } from "undici";

/** Tells a handler of undici how its request goes. Each step resolves when the handler wants the next one. */
export interface Responder {
  start(): void;
  head(response: Response): Promise<void>;
  chunk(chunk: Buffer): Promise<void>;
  end(): void;
  fail(error: Error): void;
}

/** Returns what speaks to `handler`, of undici 7 and later or as Node's own `fetch` still has them. */
export function responderFor(
  handler: Dispatcher.DispatchHandler,
  controller: AbortController,
): Responder {
  const flow = new Flow(controller);
  return handler.onRequestStart ? present(handler, flow) : former(handler, flow);
}

/** Pauses and aborts one response, as its handler says. */
class Flow implements Dispatcher.DispatchController {
  readonly #controller: AbortController;
  #paused: Promise<void> | undefined;
  #resume = () => {};
  rawHeaders: Buffer[] = [];
  rawTrailers: Buffer[] = [];

  constructor(controller: AbortController) {
    this.#controller = controller;
    controller.signal.addEventListener("abort", () => this.resume());
  }

  get aborted(): boolean {
    return this.#controller.signal.aborted;
  }

  get paused(): boolean {
    return this.#paused !== undefined;
  }

  get reason(): Error | null {
    return this.aborted ? this.#controller.signal.reason : null;
  }

  abort(reason?: Error): void {
    this.#controller.abort(reason);
  }

  pause(): void {
    this.#paused ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#paused = undefined;
    this.#resume();
  }

  /** Resolves at once unless the handler has paused. */
  async flows(): Promise<void> {
    await this.#paused;
    this.#controller.signal.throwIfAborted();
  }
}

function present(handler: Dispatcher.DispatchHandler, flow: Flow): Responder {
  return {
    start: () => handler.onRequestStart?.(flow, {}),
    async head(response) {
      flow.rawHeaders = rawHeadersOf(response);
      const { status, statusText } = response;
      handler.onResponseStart?.(flow, status, headersOf(response), statusText);
      await flow.flows();
    },
    async chunk(chunk) {
      handler.onResponseData?.(flow, chunk);
      await flow.flows();
    },
    end: () => handler.onResponseEnd?.(flow, {}),
    fail: (error) => handler.onResponseError?.(flow, error),
  };
}

/** Steps of the handlers that undici had before version 7, and that Node's own `fetch` has. */
function former(handler: Dispatcher.DispatchHandler, flow: Flow): Responder {
  /** False of a handler means that it will call `resume`. */
  const next = async (goesOn: boolean | undefined) => {
    if (goesOn === false) flow.pause();
    await flow.flows();
  };
  return {
    start: () => handler.onConnect?.((reason) => flow.abort(reason)),
    head: (response) =>
      next(
        handler.onHeaders?.(
          response.status,
          rawHeadersOf(response),
          () => flow.resume(),
          response.statusText,
        ),
      ),
    chunk: (chunk) => next(handler.onData?.(chunk)),
    end: () => handler.onComplete?.([]),
    fail: (error) => handler.onError?.(error),
  };
}

/** Names and values in turn; a name comes once for each of its values. */
function rawHeadersOf({ headers }: Response): Buffer[] {
  return [...headers].flat().map((text) => Buffer.from(text, "latin1"));
}

function headersOf({ headers }: Response): Record<string, string | string[]> {
  const cookies = headers.getSetCookie();
  return { ...Object.fromEntries(headers), ...(cookies.length > 0 && { "set-cookie": cookies }) };
}
