/** Creates undici clients that count the requests on their connection. */
import type { Client, Dispatcher, Pool } from "undici";
import type { ResponseHandler } from "./response-handler.ts";

/** One connection: the same object for all requests that it carries. */
export interface Connection {
  /** On performance.now()'s clock. */
  readonly openedAt: number;
  /** Number of requests that it has carried, the one under way included. */
  requests: number;
}

/** undici's own options, and the handler that the client tells of its connection. */
export interface DispatchOptions extends Dispatcher.DispatchOptions {
  responseHandler: ResponseHandler;
}

export type ClientFactory = (origin: string | URL, options: object) => Client;

/** Returns a factory of clients with one connection at a time that tell each ResponseHandler about it. */
export function clientFactory(ClientClass: typeof Client): ClientFactory {
  class CountingClient extends ClientClass {
    #connection: Connection | undefined;

    constructor(origin: string | URL, options: object) {
      super(origin, options);
      this.on("connect", () => {
        this.#connection = { openedAt: performance.now(), requests: 0 };
      });
    }

    override dispatch(
      options: Dispatcher.DispatchOptions,
      handler: Dispatcher.DispatchHandler,
    ): boolean {
      const { responseHandler } = options as DispatchOptions;
      responseHandler.connectionOf = () => this.#connection;
      return super.dispatch(options, handler);
    }
  }
  return (origin, options) => new CountingClient(origin, options);
}

/** Returns a factory of an agent's pools of such clients. */
export function poolFactory(
  PoolClass: typeof Pool,
  factory: ClientFactory,
): (origin: string | URL, options: object) => Dispatcher {
  return (origin, options) => new PoolClass(origin, { ...options, factory });
}
