import type { Socket } from "node:net";
import {
  createMessageConnection,
  Message,
  type MessageConnection,
  NullLogger,
  type RequestMessage,
} from "vscode-jsonrpc/node";
import type { Id } from "../base/json-text.ts";
import type { LastingReservation, ResponseReservation, UserUsage } from "../base/memory-budget.ts";
import type { AuthdError } from "../errors.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { type CallConnection, ServerCall } from "./call.ts";
import type { CpuBudgets } from "./cpu-budget.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { JsonRpcTransport, type SharedParts } from "./json-rpc-transport.ts";
import type { Peer } from "./peer.ts";
import { idOf } from "./request-key.ts";

/** Keeps one client from keeping others waiting. */
export interface ClientGuard {
  budgets: CpuBudgets;
  /** Set for another user than the daemon's own. */
  admission?: AdmissionOptions | undefined;
  user?: UserUsage | undefined;
}

/**
 * One client: its socket, the calls that are not answered yet, and vscode-jsonrpc from the first message
 * on that is for it. A program that connects for one known request costs no more than that.
 */
export class Connection implements CallConnection {
  readonly peer: Peer | undefined;
  /** Calls whose handler is at work; they are cancelled when the client is gone. */
  readonly calls = new Set<ServerCall>();
  closed = false;
  readonly #socket: Socket;
  readonly #dispatcher: Dispatcher;
  readonly #transport: JsonRpcTransport;
  #rpc: MessageConnection | undefined;
  #closeListeners: (() => void)[] = [];

  constructor(
    socket: Socket,
    peer: Peer | undefined,
    shared: SharedParts,
    dispatcher: Dispatcher,
    { budgets, admission, user }: ClientGuard,
  ) {
    this.peer = peer;
    this.#socket = socket;
    this.#dispatcher = dispatcher;
    const admitted = admission && new Admission(admission, { peer, connection: this });
    const guard = { peer, budgets, user, admission: admitted };
    this.#transport = new JsonRpcTransport(socket, shared, guard, {
      listen: () => this.#listen(),
      callOf: (id) => new ServerCall(id, this),
      answer: (known, call) => dispatcher.answerKnown(known, call),
    });
    socket.once("close", () => this.#close());
  }

  #listen(): MessageConnection {
    const { reader, writer } = this.#transport.readerAndWriter();
    // Silent: its logger would print whole messages, secrets included.
    const rpc = createMessageConnection(reader, writer, NullLogger, {
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
          this.#transport.dispatch(() => next(message), Message.isRequest(message)),
      },
    });
    rpc.onRequest((method, params, call) =>
      this.#dispatcher.answer(method, params, call as ServerCall),
    );
    rpc.listen();
    this.#rpc = rpc;
    return rpc;
  }

  get idle(): boolean {
    return this.#transport.idle;
  }

  onClose(listener: () => void): void {
    if (this.closed) listener();
    else this.#closeListeners.push(listener);
  }

  room(id: Id): ResponseReservation {
    return this.#transport.room(id);
  }

  lastingRoom(): LastingReservation {
    return this.#transport.lastingRoom();
  }

  releaseWhenTaken(id: Id, room: LastingReservation): void {
    this.#transport.releaseWhenTaken(id, room);
  }

  send(name: string, params: object): Promise<void> {
    return (this.#rpc ?? this.#listen()).sendNotification(name, params);
  }

  leave(): void {
    this.#transport.leave();
  }

  /** Stops all handlers at work; their calls are answered with `error`. */
  interrupt(error: AuthdError): void {
    for (const call of [...this.calls]) call.cancel(error);
  }

  /** Closes the connection; what is still in flight is answered with `error`, if the peer takes it. */
  end(error: AuthdError): void {
    this.#transport.refuseInFlight(error);
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #close(): void {
    this.closed = true;
    this.#rpc?.dispose();
    for (const call of this.calls) call.cancel();
    const listeners = this.#closeListeners;
    this.#closeListeners = [];
    for (const listener of listeners) listener();
  }
}
