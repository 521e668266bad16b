import { decodeBase64 } from "./base/base64.ts";
import { printsNoSecret } from "./client/printing.ts";
import { AuthdError } from "./errors.ts";
import type {
  AuthorizedResponse,
  GetTokenResult,
  Method,
  Notifications,
  ParamsOf,
  Results,
} from "./protocol.ts";
import { mayRepeat } from "./rpc/again.ts";
import {
  ConnectionLost,
  DaemonConnection,
  type RequestOptions as RequestLimits,
} from "./rpc/daemon-connection.ts";
import { type Fetch, fetchThrough } from "./rpc/fetch.ts";
import { sendRequest } from "./rpc/send-request.ts";
import { clientSocketPath } from "./rpc/socket.ts";

export { AuthdError } from "./errors.ts";
export type {
  ApprovalAnswer,
  AuthorizedResponse,
  CredentialInfo,
  DaemonEvent,
  GetTokenResult,
  Method,
  Notifications,
  ParamsOf,
  PendingApproval,
  Reason,
  Results,
  State,
} from "./protocol.ts";
export { NoDaemonError } from "./rpc/daemon-connection.ts";
export type { Fetch } from "./rpc/fetch.ts";

export interface ConnectOptions {
  /** Path of the daemon's socket; by default where `authd serve` listens. */
  socket?: string;
  /** Told to the daemon, for its log. */
  clientName?: string;
  /**
   * How much longer than a call's `timeoutMs` the daemon may take, ms: 65 s, as a person may have to say
   * yes first, within 60 s.
   */
  graceMs?: number;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Credentials to watch: one, or all; with `events` everything that happens to them. */
type Watched = ParamsOf<"subscribe">;

const GRACE_MS = 65_000;
const DEFAULT_TIMEOUT_MS = 30_000;
/** The daemon ends a sign-in after half an hour at the latest. */
const LOGIN_TIMEOUT_MS = 31 * 60_000;
/** Characters of a body that fits into one message, even if JSON makes six of each. */
const SHORT_BODY = 1024 * 1024;
/** Between tries to get a lost subscription back, ms. */
const RECONNECT_MS = 1_000;

/**
 * A client of the daemon. It connects with the first call, and again with the next one after the
 * connection was lost. An idle client does not keep the process alive; one that has subscribed does.
 *
 *     const authd = connect();
 *     const { headers } = await authd.getToken({ credential: "labelf" });
 */
export function connect(options: ConnectOptions = {}): Client {
  return new Client(options);
}

/** Every call rejects with AuthdError (see its `reason`), of which NoDaemonError is one. */
export class Client {
  readonly #path: string;
  readonly #clientName: string | undefined;
  readonly #graceMs: number;
  readonly #listeners = new Map<string, Set<(params: never) => void>>();
  /** What to subscribe to again on a new connection. */
  #watched: readonly Watched[] = [];
  #connection: Promise<DaemonConnection> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ socket, clientName, graceMs = GRACE_MS }: ConnectOptions) {
    this.#path = socket ?? clientSocketPath();
    this.#clientName = clientName;
    this.#graceMs = graceMs;
  }

  /** A token that is valid, and the headers to send with it. `console.log` shows neither; its JSON has both. */
  async getToken(params: ParamsOf<"getToken">, options?: CallOptions): Promise<GetTokenResult> {
    return printsNoSecret(await this.request("getToken", params, options));
  }

  /**
   * Has the daemon send an HTTP request, so that this process never sees the token. A body that is too
   * long for one message goes in parts.
   */
  authorizedRequest(
    params: Omit<ParamsOf<"authorizedRequest">, "stream">,
    options: CallOptions = {},
  ): Promise<AuthorizedResponse> {
    const { body, bodyBase64, ...head } = params;
    const bytes = longBody(body, bodyBase64);
    if (bytes === undefined) return this.request("authorizedRequest", params, options);
    return this.#repeated("authorizedRequest", params, options, (connection, limits) =>
      sendRequest(connection, head, bytes, limits),
    );
  }

  /** The same in the shape of `fetch`, with bodies streamed as they arrive. */
  authorizedFetch(credential: string): Fetch {
    return fetchThrough(() => DaemonConnection.open(this.#path), credential);
  }

  /** Any method of the protocol. What is safe to repeat is repeated once if the connection breaks. */
  request<M extends Method>(
    method: M,
    params: ParamsOf<M>,
    options: CallOptions = {},
  ): Promise<Results[M]> {
    return this.#repeated(
      method,
      params,
      options,
      async (connection, limits) =>
        (await connection.request(method, params, limits)) as Results[M],
    );
  }

  async #repeated<M extends Method>(
    method: M,
    params: ParamsOf<M>,
    { signal }: CallOptions,
    send: (connection: DaemonConnection, limits: RequestLimits) => Promise<Results[M]>,
  ): Promise<Results[M]> {
    const limits = { signal, timeoutMs: timeoutOf(method, params) + this.#graceMs };
    const tries = mayRepeat(method, params) ? 2 : 1;
    for (let left = tries; left > 0; left--) {
      try {
        return await send(await this.#connected(), limits);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        if (this.#closed) throw closedError();
      }
    }
    throw new AuthdError(
      "request_failed",
      `The connection to authd broke before it answered ${method}: it may have been carried out.`,
    );
  }

  /** Calls `listener` with each notification of this name; returns what stops it. */
  onNotification<N extends keyof Notifications>(
    name: N,
    listener: (params: Notifications[N]) => void,
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Starts notifications for one credential or all, and resumes them after every reconnect. */
  async subscribe(watched: Watched = {}): Promise<void> {
    await this.request("subscribe", watched);
    this.#watched = [...this.#watched.filter((one) => !isSame(one, watched)), watched];
    (await this.#connected()).hold(true);
  }

  /** Ends one subscription, or without a name all of them. */
  async unsubscribe(watched: ParamsOf<"unsubscribe"> = {}): Promise<void> {
    const { credential } = watched;
    this.#forget((one) => credential === undefined || one.credential === credential);
    const connection = await this.#connected();
    connection.hold(this.#watched.length > 0);
    await this.request("unsubscribe", watched);
  }

  /** Ends the connection; what is in flight is rejected. */
  close(): void {
    this.#closed = true;
    this.#forget(() => true);
    clearTimeout(this.#retry);
    this.#connection?.then(
      (connection) => connection.destroy(),
      () => {},
    );
  }

  /** The open connection, or a new one: one for all callers that come at the same time. */
  async #connected(): Promise<DaemonConnection> {
    if (this.#closed) throw closedError();
    this.#connection ??= this.#open();
    const current = this.#connection;
    try {
      const connection = await current;
      if (!connection.closed) return connection;
    } catch (error) {
      if (this.#connection === current) this.#connection = undefined;
      throw error;
    }
    if (this.#connection === current) this.#connection = undefined;
    return this.#connected();
  }

  async #open(): Promise<DaemonConnection> {
    const connection = await DaemonConnection.open(this.#path);
    connection.onNotification = (name, params) => this.#tell(name, params);
    connection.onClose = () => this.#resumeSoon();
    const tell = (method: Method, params: object) =>
      void connection.request(method, params).catch(() => {});
    if (this.#clientName !== undefined) tell("initialize", { clientName: this.#clientName });
    for (const watched of this.#watched) tell("subscribe", watched);
    connection.hold(this.#watched.length > 0);
    return connection;
  }

  /** Who waits for notifications makes no calls that would open the connection again. */
  #resumeSoon(): void {
    if (this.#closed || this.#watched.length === 0) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#connected().catch(() => this.#resumeSoon());
    }, RECONNECT_MS);
  }

  #forget(isOver: (watched: Watched) => boolean): void {
    this.#watched = this.#watched.filter((one) => !isOver(one));
  }

  #tell(name: string, params: object): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(params as never);
  }
}

/** Undefined: it is short, or wrong in a way that the daemon describes. */
function longBody(body: string | undefined, bodyBase64: string | undefined): Buffer | undefined {
  if ((body ?? bodyBase64 ?? "").length <= SHORT_BODY) return undefined;
  if (body === undefined) return decodeBase64(bodyBase64!);
  return bodyBase64 === undefined ? Buffer.from(body) : undefined;
}

function isSame(one: Watched, other: Watched): boolean {
  return (
    one.credential === other.credential &&
    (one.events ?? false) === (other.events ?? false) &&
    (one.approvals ?? false) === (other.approvals ?? false)
  );
}

function timeoutOf(method: Method, params: object): number {
  const { timeoutMs } = params as { timeoutMs?: number };
  return timeoutMs ?? (method === "login/finish" ? LOGIN_TIMEOUT_MS : DEFAULT_TIMEOUT_MS);
}

const closedError = () => new AuthdError("cancelled", "This client has been closed.");
