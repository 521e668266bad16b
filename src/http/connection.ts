/** Creates undici clients that count the requests on their connection, and read what lenient clients read. */
import type { Socket } from "node:net";
import type { Client, Dispatcher, Pool } from "undici";
import type { Connector } from "./connector.ts";
import { HeadFilter } from "./head-filter.ts";
import type { ResponseHandler } from "./response-handler.ts";

/** One connection: the same object for all requests that it carries, one at a time. */
export interface Connection {
  /** On performance.now()'s clock. */
  readonly openedAt: number;
  /** Number of requests that it has carried, the one under way included. */
  requests: number;
  readonly heads: HeadFilter;
}

/** undici's own options, and the handler that the client tells of its connection. */
export interface DispatchOptions extends Dispatcher.DispatchOptions {
  responseHandler: ResponseHandler;
}

export type ClientOptions = Client.Options & { connect: Connector };
export type ClientFactory = (origin: string | URL, options: ClientOptions) => Client;

/** Called with each HTTP/1 connection after undici has taken it. */
type OnConnected = (socket: Socket) => void;

/** Returns a factory of clients with one connection at a time that tell each ResponseHandler about it. */
export function clientFactory(ClientClass: typeof Client, onConnected: OnConnected): ClientFactory {
  class CountingClient extends ClientClass {
    readonly #connectionOf: () => Connection | undefined;

    constructor(origin: string | URL, options: ClientOptions) {
      let connection: Connection | undefined;
      const connect: Connector = (target, done) =>
        options.connect(target, (...result) => {
          const [error, socket] = result;
          if (error) return done(error, null);
          connection = { openedAt: performance.now(), requests: 0, heads: new HeadFilter() };
          const isHttp2 = "alpnProtocol" in socket && socket.alpnProtocol === "h2";
          if (!isHttp2) connection.heads.attach(socket);
          done(null, socket);
          if (!isHttp2) onConnected(socket);
        });
      super(origin, { ...options, connect });
      this.#connectionOf = () => connection;
    }

    override dispatch(
      options: Dispatcher.DispatchOptions,
      handler: Dispatcher.DispatchHandler,
    ): boolean {
      const { responseHandler } = options as DispatchOptions;
      responseHandler.connectionOf = this.#connectionOf;
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
  return (origin, options) =>
    new PoolClass(origin, {
      ...options,
      factory: (to, given) => factory(to, given as ClientOptions),
    });
}
