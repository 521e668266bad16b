/** undici's clients, each of which knows how its connection has been used. */
import type { Client, Dispatcher, Pool } from "undici";
import type { Exchange } from "./exchange.ts";

/** One connection; the object is the same for all requests that it carries. */
export interface Connection {
  /** On performance.now()'s clock. */
  readonly openedAt: number;
  /** How many requests it has carried, the one under way included. */
  requests: number;
}

/** What Exchange needs beside undici's own options. */
export interface ExchangeOptions extends Dispatcher.DispatchOptions {
  exchange: Exchange;
}

export type ClientFactory = (origin: string | URL, options: object) => Client;

/** Returns what makes a client with one connection at a time that tells each Exchange about it. */
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
      const { exchange } = options as ExchangeOptions;
      exchange.connectionOf = () => this.#connection;
      return super.dispatch(options, handler);
    }
  }
  return (origin, options) => new CountingClient(origin, options);
}

/** Returns what makes the pools of an agent from such clients. */
export function poolFactory(
  PoolClass: typeof Pool,
  factory: ClientFactory,
): (origin: string | URL, options: object) => Dispatcher {
  return (origin, options) => new PoolClass(origin, { ...options, factory });
}
