/** `authd/undici`: a dispatcher for undici and for Node's own `fetch`, whose requests authd sends. */
import { stringify } from "node:querystring";
import { Dispatcher } from "undici";
import type { Client } from "../client.ts";
import { AuthdError } from "../errors.ts";
import { responderFor } from "./undici-handler.ts";

type Headers = Dispatcher.DispatchOptions["headers"];

/** Headers of the connection between this program and an API: there is none, authd has its own. */
const OF_A_CONNECTION =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*)$/i;

/**
 * Sends every request through authd, with the headers of `credential`:
 *
 *     const dispatcher = new AuthdDispatcher(connect(), "labelf");
 *     await fetch("https://api.example/v2/models", { dispatcher });
 *
 * Requests fail as undici's do, with the AuthdError as the error or as its `cause`.
 */
export class AuthdDispatcher extends Dispatcher {
  readonly #fetch: ReturnType<Client["authorizedFetch"]>;
  readonly #open = new Set<AbortController>();
  #isClosed = false;

  constructor(client: Client, credential: string) {
    super();
    this.#fetch = client.authorizedFetch(credential);
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    const controller = new AbortController();
    const responder = responderFor(handler, controller);
    this.#open.add(controller);
    this.#send(options, responder, controller.signal)
      .catch((error) => responder.fail(error))
      .finally(() => this.#open.delete(controller));
    return true;
  }

  /** Refuses further requests, and lets those under way end. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | undefined {
    this.#isClosed = true;
    return callback ? void queueMicrotask(callback) : Promise.resolve();
  }

  /** Ends the requests that are under way, and refuses further ones. */
  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(
    first?: Error | null | (() => void),
    second?: () => void,
  ): Promise<void> | undefined {
    const [error, callback] = typeof first === "function" ? [null, first] : [first, second];
    for (const controller of this.#open) controller.abort(error ?? closed());
    return callback ? (this.close(callback) as undefined) : this.close();
  }

  async #send(
    options: Dispatcher.DispatchOptions,
    responder: ReturnType<typeof responderFor>,
    signal: AbortSignal,
  ): Promise<void> {
    responder.start();
    if (this.#isClosed) throw closed();
    if (options.upgrade) throw new AuthdError("invalid_params", "authd sends no upgrades.");
    const { method, body } = options;
    const init = { method, headers: headersOf(options.headers), signal };
    const withBody =
      body == null
        ? {}
        : { body: body as NonNullable<RequestInit["body"]>, duplex: "half" as const };
    const response = await this.#fetch(urlOf(options), { ...init, ...withBody });
    await responder.head(response);
    for await (const chunk of response.body ?? []) await responder.chunk(Buffer.from(chunk));
    responder.end();
  }
}

function urlOf({ origin = "", path, query }: Dispatcher.DispatchOptions): URL {
  const added = query && stringify(query);
  return new URL(added ? `${path}${path.includes("?") ? "&" : "?"}${added}` : path, origin);
}

/** undici takes headers as an object, as pairs, or as a flat list. */
function headersOf(given: Headers): [string, string][] {
  const isFlat = Array.isArray(given) && typeof given[0] === "string";
  const pairs = isFlat
    ? Array.from({ length: given.length / 2 }, (_, at) => given.slice(2 * at, 2 * at + 2))
    : Symbol.iterator in (given ?? {})
      ? [...(given as Iterable<[string, string | string[] | undefined]>)]
      : Object.entries(given ?? {});
  return pairs.flatMap(([name, value]) =>
    OF_A_CONNECTION.test(`${name}`) || value === undefined
      ? []
      : [value].flat().map((one): [string, string] => [`${name}`, `${one}`]),
  );
}

const closed = () => new AuthdError("cancelled", "This dispatcher has been closed.");
