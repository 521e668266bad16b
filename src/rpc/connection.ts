import type { Socket } from "node:net";
import {
  createMessageConnection,
  Message,
  type MessageConnection,
  NullLogger,
  type RequestMessage,
} from "vscode-jsonrpc/node";
import type { Id } from "../base/json-text.ts";
import type {
  LastingReservation,
  MemoryBudget,
  ResponseReservation,
  UserUsage,
} from "../base/memory-budget.ts";
import type { AuthdError } from "../errors.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { type CallConnection, ServerCall } from "./call.ts";
import type { CpuBudgets } from "./cpu-budget.ts";
import {
  type FramingLimits,
  idOf,
  JsonRpcTransport,
  type Serialize,
} from "./json-rpc-transport.ts";
import type { Peer } from "./peer.ts";

/** Answers a request: with a result, a ResponseError, or a promise of either. Never throws. */
export type Answer = (method: string, params: unknown, call: ServerCall) => unknown;

/** What keeps one client from keeping others waiting. */
export interface ClientGuard {
  budgets: CpuBudgets;
  /** Of another user than the daemon's own. */
  admission?: AdmissionOptions | undefined;
  user?: UserUsage | undefined;
}

/** One client: its socket, vscode-jsonrpc on top of it, and the calls that are not answered yet. */
export class Connection implements CallConnection {
  readonly peer: Peer | undefined;
  /** Those whose handler is at work; they are cancelled when the client is gone. */
  readonly calls = new Set<ServerCall>();
  closed = false;
  readonly #socket: Socket;
  readonly #pair: JsonRpcTransport;
  readonly #rpc: MessageConnection;
  #closeListeners: (() => void)[] = [];

  constructor(
    socket: Socket,
    peer: Peer | undefined,
    limits: FramingLimits,
    serialize: Serialize,
    memoryBudget: MemoryBudget,
    answer: Answer,
    { budgets, admission, user }: ClientGuard,
  ) {
    this.peer = peer;
    this.#socket = socket;
    const guard = {
      peer,
      budgets,
      admission: admission && new Admission(admission, { peer, connection: this }),
    };
    this.#pair = new JsonRpcTransport(socket, limits, serialize, memoryBudget, guard, user);
    // Silent: its logger would print whole messages, secrets included.
    this.#rpc = createMessageConnection(this.#pair.reader, this.#pair.writer, NullLogger, {
      cancellationStrategy: {
        receiver: {
          kind: "request",
          createCancellationTokenSource: ({ id }: RequestMessage) =>
            new ServerCall(idOf(id as string | number), this),
        },
        sender: { sendCancellation: async () => {}, cleanup: () => {} },
      },
      messageStrategy: {
        handleMessage: (message, next) =>
          this.#pair.dispatch(() => next(message), Message.isRequest(message)),
      },
    });
    this.#rpc.onRequest((method, params, call) => answer(method, params, call as ServerCall));
    socket.once("close", () => this.#close());
    this.#rpc.listen();
  }

  get idle(): boolean {
    return this.#pair.idle;
  }

  onClose(listener: () => void): void {
    if (this.closed) listener();
    else this.#closeListeners.push(listener);
  }

  room(id: Id): ResponseReservation {
    return this.#pair.room(id);
  }

  lastingRoom(): LastingReservation {
    return this.#pair.lastingRoom();
  }

  releaseWhenTaken(id: Id, room: LastingReservation): void {
    this.#pair.releaseWhenTaken(id, room);
  }

  send(name: string, params: object): Promise<void> {
    return this.#rpc.sendNotification(name, params);
  }

  leave(): void {
    this.#pair.leave();
  }

  /** Stops all handlers at work; their calls are answered with `error`. */
  interrupt(error: AuthdError): void {
    for (const call of [...this.calls]) call.cancel(error);
  }

  /** Closes the connection; what is still in flight is answered with `error`, if the peer takes it. */
  end(error: AuthdError): void {
    this.#pair.refuseInFlight(error);
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #close(): void {
    this.closed = true;
    this.#rpc.dispose();
    for (const call of this.calls) call.cancel();
    const listeners = this.#closeListeners;
    this.#closeListeners = [];
    for (const listener of listeners) listener();
  }
}
