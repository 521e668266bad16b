import type { Socket } from "node:net";
import type {
  DataCallback,
  Disposable,
  Event,
  NotificationMessage,
  RequestMessage,
  MessageReader as RpcReader,
  MessageWriter as RpcWriter,
} from "vscode-jsonrpc";
import { type Id, isId } from "../base/json-text.ts";
import {
  type LastingReservation,
  type MemoryBudget,
  RETRY_AFTER_MS,
  type ResponseReservation,
} from "../base/memory-budget.ts";
import type { AuthdError } from "../errors.ts";
import type { ErrorData } from "../protocol.ts";
import type { ServerCall } from "./call.ts";
import { GracefulEnd } from "./graceful-end.ts";
import type { KnownRequest, KnownRequests } from "./known-requests.ts";
import { codes, type Incoming, Refusal, readMessage } from "./message.ts";
import {
  MessageReader,
  type ReaderGuard,
  type ReaderLimits,
  serverBusy,
} from "./message-reader.ts";
import { MessageWriter, responseOf } from "./message-writer.ts";
import { keyOf, type RequestKey } from "./request-key.ts";
import { type InFlightLimits, RequestsInFlight } from "./requests-in-flight.ts";
import type { Serialize } from "./serializer.ts";
import { WriteBuffer, type WriteBufferLimits } from "./write-buffer.ts";

/** Limits of what one connection may send, and of what may wait on it. */
export interface TransportLimits extends WriteBufferLimits, ReaderLimits, InFlightLimits {}

/** Parts that all connections of a server share. */
export interface SharedParts {
  readonly limits: TransportLimits;
  readonly serialize: Serialize;
  readonly memoryBudget: MemoryBudget;
  readonly knownRequests: KnownRequests;
}

/** The owner of a connection, as its transport calls it. */
export interface TransportHandlers {
  /** Has vscode-jsonrpc listen to `reader`: called before the first message that is for it. */
  listen(): void;
  callOf(id: number): ServerCall;
  /** Answers a known request: with a result, a ResponseError, or a promise of either. Never throws. */
  answer(known: KnownRequest, call: ServerCall): unknown;
}

interface ReadyRequest {
  readonly known: KnownRequest;
  readonly call: ServerCall;
}

/**
 * vscode-jsonrpc's reader and writer for one connection, in the framing that the client chose.
 * Only what vscode-jsonrpc handles well gets through to it; the rest is answered here.
 */
export class JsonRpcTransport {
  readonly #socket: Socket;
  readonly #shared: SharedParts;
  readonly #guard: ReaderGuard;
  readonly #handlers: TransportHandlers;
  readonly #inFlight: RequestsInFlight;
  readonly #buffer: WriteBuffer;
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  readonly #end: GracefulEnd;
  /** Known requests that came together. */
  #ready: ReadyRequest[] = [];
  /** Calls that were begun without vscode-jsonrpc and have no answer yet. */
  readonly #calls = new Map<RequestKey, ServerCall>();
  /** Messages for handlers that wait until the client has taken the answers to those before. */
  readonly #held: (() => void)[] = [];
  #nextHeld: NodeJS.Immediate | undefined;
  #deliver: DataCallback | undefined;

  constructor(
    socket: Socket,
    shared: SharedParts,
    guard: ReaderGuard,
    handlers: TransportHandlers,
  ) {
    const { limits, serialize, memoryBudget } = shared;
    this.#socket = socket;
    this.#shared = shared;
    this.#guard = guard;
    this.#handlers = handlers;
    this.#inFlight = new RequestsInFlight(limits, memoryBudget, guard.user);
    this.#buffer = new WriteBuffer(socket, limits, (isPaused) => this.#pause(isPaused));
    this.#reader = new MessageReader(socket, limits, guard, {
      frame: (body) => this.#frame(body),
      afterFrames: () => this.#afterFrames(),
      holdPartial: (bytes) => this.#inFlight.holdPartial(bytes),
      end: () => this.#end.begin(),
      fail: (error) => this.#fail(error),
      resume: () => this.#drainHeld(),
    });
    this.#writer = new MessageWriter({
      buffer: this.#buffer,
      inFlight: this.#inFlight,
      reader: this.#reader,
      serialize,
      highWaterBytes: limits.highWaterBytes,
      onAnswered: () => this.#end.endIfAnswered(),
      onCaughtUp: () => this.#drainHeld(),
    });
    this.#end = new GracefulEnd({
      socket,
      cutAfterMs: limits.stallTimeoutMs,
      isAnswered: () => this.#inFlight.size === 0,
      flush: () => this.#buffer.flush(),
      onEnd: () => this.#reader.ignoreRest(),
    });
    socket.on("close", () => this.#closed());
    this.#reader.listen();
  }

  /** Returns what vscode-jsonrpc reads from and writes to; most connections do without it. */
  readerAndWriter(): { reader: RpcReader; writer: RpcWriter } {
    const onClose: Event<void> = (listener) => {
      this.#socket.once("close", () => listener());
      return nothing;
    };
    const common = { onError: never, onClose, dispose: () => {} };
    return {
      reader: {
        ...common,
        onPartialMessage: never,
        listen: (deliver) => this.#listen(deliver),
      },
      writer: { ...common, write: (message) => this.#writer.write(message), end: () => {} },
    };
  }

  /** True if nothing is in flight and every answer has been handed to the system. */
  get idle(): boolean {
    return this.#inFlight.size === 0 && this.#buffer.queued === 0;
  }

  /** Accounts for the answer to a request in flight. Throws AuthdError `too_busy`. */
  room(id: Id): ResponseReservation {
    return this.#inFlight.reserve(id);
  }

  /** Accounts for the answer to a later request. Throws AuthdError `too_busy`. */
  lastingRoom(): LastingReservation {
    return this.#inFlight.reserveLasting();
  }

  /** Releases `room` when the client has taken the answer to this request, or has had one. */
  releaseWhenTaken(id: Id, room: LastingReservation): void {
    this.#inFlight.releaseWhenTaken(id, room);
  }

  /** Takes no more requests, and ends the connection when the client says `exit` or after a while. */
  leave(): void {
    this.#end.leave();
  }

  /** Answers all that is still in flight with `error`, and hands to the system what it takes. */
  refuseInFlight(error: AuthdError): void {
    this.#held.length = 0;
    this.#writer.refuseInFlight(error);
  }

  /**
   * Runs `handle` for a message of vscode-jsonrpc, which takes one in a turn of the event loop: now, or
   * after the client has taken the answers that wait. Reading no further is not enough: requests that were
   * read already would still be answered.
   */
  dispatch(handle: () => void | Promise<void>, isRequest: boolean): void | Promise<void> {
    const dispatched = () => {
      const handled = this.#reader.budget.measure(handle);
      if (isRequest) this.#buffer.dispatched();
      return handled;
    };
    // A message waits also behind a held one: messages keep their order.
    if (this.#held.length === 0 && !this.#isBackpressured) return dispatched();
    this.#held.push(() => void dispatched()?.catch(() => {}));
  }

  get #isBackpressured(): boolean {
    return this.#buffer.paused || this.#writer.isBehind || this.#reader.holdBack();
  }

  /** Dispatches one held message a turn: its answer tells whether there is room for the next one's. */
  #drainHeld(): void {
    if (this.#nextHeld || this.#isBackpressured || this.#held.length === 0) return;
    this.#nextHeld = setImmediate(() => {
      this.#nextHeld = undefined;
      if (this.#isBackpressured) return;
      this.#held.shift()?.();
      this.#drainHeld();
    });
  }

  #listen(deliver: DataCallback): Disposable {
    this.#deliver = deliver;
    return nothing;
  }

  #deliverMessage(message: RequestMessage | NotificationMessage): void {
    if (!this.#deliver) this.#handlers.listen();
    this.#deliver?.(message);
  }

  /** Answers the known requests, and writes now, so that it is at the cost of this client. */
  #afterFrames(): void {
    if (this.#ready.length > 0) this.#answerReady();
    if (this.#buffer.expected === 0) this.#buffer.flush();
  }

  /** Says why, and closes: what follows on this connection can't be told apart any more. */
  #fail({ reason, message, retryAfterMs }: AuthdError): void {
    this.#buffer.framing = this.#reader.framing ?? "lines";
    const code = reason === "invalid_params" ? codes.invalidRequest : codes.failed;
    const data = { reason, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    this.#writer.refuse(new Refusal(code, message, null, data));
    this.#buffer.flush();
    this.#socket.destroy();
  }

  #pause(isPaused: boolean): void {
    this.#reader.block(isPaused);
    this.#drainHeld();
  }

  #closed(): void {
    this.#reader.stop();
    this.#end.close();
    clearImmediate(this.#nextHeld);
    this.#held.length = 0;
    this.#ready = [];
    this.#calls.clear();
    this.#inFlight.close();
  }

  #frame(body: Buffer): void {
    if (this.#end.hasBegun) return;
    this.#buffer.framing = this.#reader.framing ?? "lines";
    const { knownRequests } = this.#shared;
    // Other users must not learn from the time that it takes which requests were made before.
    const isOwn = this.#guard.user === undefined;
    const found = isOwn ? knownRequests.find(body) : undefined;
    if (found) return void this.#receiveKnown(found.id, found.known, body.length);
    this.#reader.budget.note(false);
    const read = readMessage(body);
    if (Array.isArray(read)) this.#writer.refuseBatch(read);
    else if (read instanceof Refusal) this.#writer.refuse(read);
    else {
      const message = read as Incoming;
      const known = isOwn ? knownRequests.learn(body, message) : undefined;
      if (known) this.#receiveKnown(message.id as number, known, body.length);
      else this.#receive(message, body.length);
    }
  }

  #receive({ id, method, params = {} }: Incoming, bytes: number): void {
    // A response to nothing: a complaint about it could go back and forth for ever.
    if (method === undefined) return;
    if (id === undefined) return void this.#notified(method, params);
    const key = keyOf(id);
    const refusal = this.#refusedGuest(id, method, params) ?? this.#unwelcome(id, key, bytes);
    if (refusal) return void this.#writer.refuse(refusal);
    this.#inFlight.add(key, bytes);
    this.#deliverRequest({ jsonrpc: "2.0", id: key, method, params });
  }

  #deliverRequest(request: RequestMessage): void {
    this.#reader.budget.note(false);
    // Messages keep their order.
    if (this.#ready.length > 0) this.#answerReady();
    this.#buffer.expected++;
    this.#deliverMessage(request);
  }

  /** Known requests need no vscode-jsonrpc, unless others wait: messages keep their order. */
  #receiveKnown(id: number, known: KnownRequest, bytes: number): void {
    const refusal = this.#unwelcome(id, id, bytes);
    if (refusal) return void this.#writer.refuse(refusal);
    this.#inFlight.add(id, bytes);
    if (!this.#isIdle) {
      const { params } = known;
      return void this.#deliverRequest({ jsonrpc: "2.0", id, method: "getToken", params });
    }
    this.#ready.push({ known, call: this.#handlers.callOf(id) });
  }

  /** Answers what came together: a request that was cancelled in the same write reaches no handler. */
  #answerReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const { known, call } of ready) {
      const id = call.id as number;
      if (!call.isCancellationRequested && !this.#isIdle) {
        this.#deliverRequest({ jsonrpc: "2.0", id, method: "getToken", params: known.params });
        continue;
      }
      const answer = this.#handlers.answer(known, call);
      const isPending = answer instanceof Promise;
      this.#reader.budget.note(!isPending);
      if (isPending) this.#awaitAnswer(id, call, answer);
      else void this.#writer.write(responseOf(id, answer));
    }
  }

  /** True if no message waits for vscode-jsonrpc, and the client takes its answers. */
  get #isIdle(): boolean {
    const waits = this.#buffer.expected > 0 || this.#held.length > 0 || this.#buffer.paused;
    return !waits && this.#writer.isFree;
  }

  #awaitAnswer(id: number, call: ServerCall, answer: Promise<unknown>): void {
    this.#calls.set(id, call);
    void answer.then((settled) => {
      this.#calls.delete(id);
      void this.#writer.write(responseOf(id, settled));
    });
  }

  /** Every request of a client that may use nothing gets the same answer, whatever it asks for. */
  #refusedGuest(id: Id, method: string, params: object): Refusal | undefined {
    const { admission } = this.#guard;
    if (!admission || admission.isAdmitted) return undefined;
    const data: ErrorData = { reason: "caller_not_allowed" };
    return new Refusal(codes.failed, admission.refuse(method, params), id, data);
  }

  /** Returns why a valid request can't be taken at this moment. */
  #unwelcome(id: Id, key: RequestKey, bytes: number): Refusal | undefined {
    if (this.#inFlight.has(key)) {
      // A refusal with this id would be taken for the answer to the first.
      const text = "This id belongs to a request that is still in flight: choose another.";
      return new Refusal(codes.invalidRequest, text);
    }
    if (this.#end.isLeaving) {
      const text = "This connection is shut down: nothing but `exit` may follow.";
      return new Refusal(codes.invalidRequest, text, id);
    }
    const full = this.#inFlight.full(bytes);
    if (full === undefined) return undefined;
    const text =
      full === "server"
        ? serverBusy().message
        : "Too many requests of this connection are in flight: wait for answers first.";
    const data: ErrorData = { reason: "too_busy", retryAfterMs: RETRY_AFTER_MS };
    return new Refusal(codes.failed, text, id, data);
  }

  /** Handles the notifications that a client may send: `exit` and `$/cancelRequest`. */
  #notified(method: string, params: object): void {
    if (method === "exit") return void this.#end.begin();
    if (method !== "$/cancelRequest") return;
    // vscode-jsonrpc throws if it names no request.
    const { id } = params as { id?: unknown };
    if (!isId(id) || !this.#inFlight.has(keyOf(id))) return;
    const key = keyOf(id);
    const call = this.#calls.get(key) ?? this.#ready.find((one) => one.call.id === id)?.call;
    if (call) call.cancel();
    else this.#deliverMessage({ jsonrpc: "2.0", method, params: { id: key } });
  }
}

const nothing: Disposable = { dispose: () => {} };
const never = () => nothing;
