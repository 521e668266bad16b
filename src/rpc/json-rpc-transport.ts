import type { Socket } from "node:net";
import type {
  DataCallback,
  Disposable,
  Event,
  Message,
  MessageReader,
  MessageWriter,
  NotificationMessage,
  RequestMessage,
  ResponseMessage,
} from "vscode-jsonrpc";
import {
  type Id,
  idToJson,
  isId,
  JsonNumber,
  objectToJson,
  resultToJson,
  toJson,
} from "../base/json-text.ts";
import {
  ConnectionBudget,
  guestLimit,
  type LastingReservation,
  type MemoryBudget,
  RETRY_AFTER_MS,
  type ResponseReservation,
  type UserUsage,
} from "../base/memory-budget.ts";
import { AuthdError } from "../errors.ts";
import type { ErrorData } from "../protocol.ts";
import type { Admission } from "./admission.ts";
import type { CpuBudgets } from "./cpu-budget.ts";
import { FrameParser } from "./frame-parser.ts";
import { Intake } from "./intake.ts";
import type { JsonLimits } from "./json-bounds.ts";
import { codes, type Incoming, Refusal, readMessage } from "./message.ts";
import type { Peer } from "./peer.ts";
import { gone, WriteBuffer, type WriteBufferLimits } from "./write-buffer.ts";

/** An id in here, for vscode-jsonrpc and for maps: what is written differently is different. */
type Key = string | number;

/** What may come from one connection, and what may wait on it. */
export interface FramingLimits extends WriteBufferLimits {
  frameBytes: number;
  /** Of a client that may use nothing. */
  refusedFrameBytes: number;
  /** In structure, so that no frame takes long to be parsed and checked. */
  json: JsonLimits;
  /** From a frame's first byte to its last. */
  frameMs: number;
  inFlight: number;
  inFlightBytes: number;
}

/** Whose connection it is, and what keeps that client from keeping others waiting. */
export interface WireGuard {
  peer: Peer | undefined;
  budgets: CpuBudgets;
  /** Of another user than the daemon's own. */
  admission?: Admission | undefined;
}

/** What a request takes beside its own bytes while it is in flight, about. */
const REQUEST_COST = 1024;
/** How often a half-closed client is asked whether it is still there. */
const HALF_CLOSE_PROBE_MS = 1000;
/** After `shutdown` a client has so long to say `exit`: a write to a closed socket would be an error. */
const LEAVE_MS = 1000;

/**
 * vscode-jsonrpc's reader and writer for one connection, in the framing that the client chose.
 * Only what vscode-jsonrpc handles well gets through to it; the rest is answered here.
 */
export class JsonRpcTransport {
  readonly reader: MessageReader;
  readonly writer: MessageWriter;
  readonly #socket: Socket;
  readonly #limits: FramingLimits;
  readonly #serialize: Serialize;
  readonly #parser: FrameParser;
  readonly #writeBuffer: WriteBuffer;
  readonly #intake: Intake;
  readonly #guard: WireGuard;
  /** Size of each request that has no answer yet. */
  readonly #inFlight = new Map<Key, number>();
  #inFlightBytes = 0;
  readonly #memoryBudget: MemoryBudget;
  /** Of another user, what all its connections have. */
  readonly #user: UserUsage | undefined;
  readonly #budget: ConnectionBudget;
  readonly #lots = new Map<Key, LastingReservation>();
  /** Bytes of half a frame that `holdings` knows of. */
  #partial = 0;
  /** Answers that wait for the peer to take what was sent before. */
  readonly #delayedResponses: ResponseMessage[] = [];
  /** Messages that are looked at when the peer has taken the answers to those before. */
  readonly #heldMessages: (() => void)[] = [];
  #goingOn: NodeJS.Immediate | undefined;
  #deliver: DataCallback = () => {};
  #deadline: NodeJS.Timeout | undefined;
  #halfCloseProbe: NodeJS.Timeout | undefined;
  /** Set once the client has said that it is done. */
  #leaving: NodeJS.Timeout | undefined;
  #cut: NodeJS.Timeout | undefined;
  #ended = false;
  #failed = false;

  constructor(
    socket: Socket,
    limits: FramingLimits,
    serialize: Serialize,
    memoryBudget: MemoryBudget,
    guard: WireGuard,
    user?: UserUsage,
  ) {
    this.#socket = socket;
    this.#guard = guard;
    this.#memoryBudget = memoryBudget;
    this.#user = user;
    this.#budget = new ConnectionBudget(memoryBudget, user);
    this.#serialize = serialize;
    this.#limits = limits;
    this.#parser = new FrameParser(limits.frameBytes, (body) => this.#frame(body), limits.json);
    this.#writeBuffer = new WriteBuffer(socket, limits, (paused) => this.#pause(paused));
    this.#intake = new Intake(socket, guard.budgets.of(guard.peer), {
      read: (bytes) => this.#try(() => this.#read(bytes)),
      end: () => this.#try(() => this.#end()),
      resume: () => this.#drainHeld(),
    });
    const onClose: Event<void> = (listener) => {
      socket.once("close", () => listener());
      return nothing;
    };
    this.reader = {
      onError: never,
      onClose,
      onPartialMessage: never,
      listen: (deliver) => this.#listen(deliver),
      dispose: () => {},
    };
    this.writer = {
      onError: never,
      onClose,
      write: (message) => this.#write(message),
      end: () => {},
      dispose: () => {},
    };
  }

  /** Nothing is in flight and every answer has been handed to the system. */
  get idle(): boolean {
    return this.#inFlight.size === 0 && this.#writeBuffer.queued === 0;
  }

  /** For the answer to a request in flight. Throws AuthdError `too_busy`. */
  room(id: Id): ResponseReservation {
    const key = keyOf(id);
    if (!this.#inFlight.has(key)) throw gone();
    const known = this.#lots.get(key);
    if (known) return known;
    const reservation = this.#budget.open();
    this.#lots.set(key, reservation);
    return reservation;
  }

  /** For the answer to a later request. Throws AuthdError `too_busy`. */
  lastingRoom(): LastingReservation {
    if (this.#socket.destroyed) throw gone();
    return this.#budget.open();
  }

  /** Releases `room` when the client has taken the answer to this request, or has had one. */
  releaseWhenTaken(id: Id, room: LastingReservation): void {
    const key = keyOf(id);
    if (this.#inFlight.has(key)) this.#lots.set(key, room);
    else room.release();
  }

  /** Takes no more requests, and ends the connection when the client says `exit` or after a while. */
  leave(): void {
    this.#leaving ??= setTimeout(() => this.#endInput(), LEAVE_MS).unref();
  }

  /** Answers all that is still in flight with `error`, and hands to the system what it takes. */
  refuseInFlight({ reason, message, retryAfterMs }: AuthdError): void {
    this.#heldMessages.length = 0;
    for (const response of this.#delayedResponses.splice(0)) this.#answer(response);
    const error = { code: codes.failed, message, data: { reason, retryAfterMs } };
    for (const id of [...this.#inFlight.keys()]) {
      this.#answer({ jsonrpc: "2.0", id, error } as ResponseMessage);
    }
    this.#writeBuffer.flush();
  }

  /**
   * vscode-jsonrpc takes one message a turn of the event loop; this runs `handle` for it: at once, or
   * when the peer has caught up. A request was read long before its answer is known to be one more
   * than the peer takes, so it is not enough to read no further.
   */
  dispatch(handle: () => void | Promise<void>, isRequest: boolean): void | Promise<void> {
    const dispatched = () => {
      const handled = this.#intake.budget.measure(handle);
      if (isRequest) this.#writeBuffer.dispatched();
      return handled;
    };
    // Also behind a held one: messages keep their order.
    if (this.#heldMessages.length === 0 && !this.#isBackpressured) return dispatched();
    this.#heldMessages.push(() => void dispatched()?.catch(() => {}));
  }

  get #isBackpressured(): boolean {
    return this.#writeBuffer.paused || this.#delayedResponses.length > 0 || this.#intake.holdBack();
  }

  /** One a turn, like vscode-jsonrpc: its answer tells whether there is room for the next one's. */
  #drainHeld(): void {
    if (this.#goingOn || this.#isBackpressured || this.#heldMessages.length === 0) return;
    this.#goingOn = setImmediate(() => {
      this.#goingOn = undefined;
      if (this.#isBackpressured) return;
      this.#heldMessages.shift()?.();
      this.#drainHeld();
    });
  }

  #listen(deliver: DataCallback): Disposable {
    this.#deliver = deliver;
    this.#intake.listen();
    this.#socket.on("close", () => this.#closed());
    return nothing;
  }

  /** Of a client that may use nothing, little is read, and at little cost. */
  #read(bytes: Buffer): void {
    const { admission, budgets, peer } = this.#guard;
    if (admission) {
      const { isAdmitted } = admission;
      this.#intake.budget = budgets.of(peer, !isAdmitted);
      if (this.#user) this.#user.isRefused = !isAdmitted;
      this.#parser.maxBytes = isAdmitted ? this.#limits.frameBytes : this.#limits.refusedFrameBytes;
    }
    this.#parser.push(bytes);
    // What was answered without a handler leaves now, so that it is at the cost of this client.
    if (this.#writeBuffer.expected === 0) this.#writeBuffer.flush();
  }

  #try(read: () => void): void {
    if (this.#failed) return;
    try {
      read();
      // What has been received and not read may be the rest of the frame.
      if (!this.#intake.hasMore) this.#countPartial();
      this.#watchFrame();
    } catch (error) {
      this.#fail(error as AuthdError);
    }
  }

  /** Throws AuthdError `too_busy` when all connections together hold too much. */
  #countPartial(): void {
    const held = this.#parser.held;
    if (held === this.#partial) return;
    const more = held - this.#partial;
    if (more > 0 && !this.#fits(more)) throw serverBusy();
    this.#partial = held;
    this.#count(more);
  }

  #fits(bytes: number): boolean {
    const { requestBytes, limits } = this.#memoryBudget;
    if (this.#user && this.#user.requestBytes + bytes > guestLimit(limits.requestBytes))
      return false;
    return requestBytes + bytes <= limits.requestBytes;
  }

  #count(bytes: number): void {
    this.#memoryBudget.requestBytes += bytes;
    if (this.#user) this.#user.requestBytes += bytes;
  }

  #watchFrame(): void {
    if (!this.#parser.partial || this.#intake.isPaused || this.#ended) {
      if (this.#deadline) this.#stopDeadline();
      return;
    }
    this.#deadline ??= setTimeout(() => {
      const seconds = this.#limits.frameMs / 1000;
      this.#fail(new AuthdError("timeout", `The frame was not whole within ${seconds} s.`));
    }, this.#limits.frameMs).unref();
  }

  #stopDeadline(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  /** Says why, and closes: what follows on this connection can't be told apart any more. */
  #fail({ reason, message, retryAfterMs }: AuthdError): void {
    this.#failed = true;
    this.#intake.stop();
    this.#writeBuffer.framing = this.#parser.framing ?? "lines";
    const code = reason === "invalid_params" ? codes.invalidRequest : codes.failed;
    const data = { reason, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    this.#refuse(new Refusal(code, message, null, data));
    this.#writeBuffer.flush();
    this.#socket.destroy();
  }

  #pause(paused: boolean): void {
    this.#intake.block(paused);
    this.#watchFrame();
    this.#drainHeld();
  }

  #end(): void {
    this.#parser.end();
    this.#endInput();
  }

  /** Nothing more is taken from the client; the connection ends when all in flight is answered. */
  #endInput(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#leaving);
    this.#watchFrame();
    this.#endWhenAnswered();
    if (this.#inFlight.size === 0) return;
    // The end of a client's input does not tell whether it still listens; writing nothing does.
    const ask = () => this.#socket.write("");
    ask();
    this.#halfCloseProbe = setInterval(ask, HALF_CLOSE_PROBE_MS).unref();
  }

  #endWhenAnswered(): void {
    if (!this.#ended || this.#inFlight.size > 0) return;
    this.#writeBuffer.flush();
    this.#socket.destroySoon();
    if (this.#socket.readableEnded) return;
    // Its own side is open: nobody else would notice if it takes nothing.
    this.#cut ??= setTimeout(() => this.#socket.destroy(), this.#limits.stallTimeoutMs).unref();
  }

  #closed(): void {
    this.#intake.stop();
    clearTimeout(this.#deadline);
    clearInterval(this.#halfCloseProbe);
    clearTimeout(this.#leaving);
    clearTimeout(this.#cut);
    clearImmediate(this.#goingOn);
    this.#heldMessages.length = 0;
    this.#count(-this.#partial - this.#inFlightBytes - this.#inFlight.size * REQUEST_COST);
    this.#partial = 0;
    this.#inFlightBytes = 0;
    this.#inFlight.clear();
    this.#lots.clear();
    this.#budget.close();
  }

  #frame(body: Buffer): void {
    if (this.#ended) return;
    this.#writeBuffer.framing = this.#parser.framing ?? "lines";
    // The next frame has its own time, even if it has already begun.
    if (this.#deadline) this.#stopDeadline();
    const read = readMessage(body);
    if (Array.isArray(read)) this.#refuseBatch(read);
    else if (read instanceof Refusal) this.#refuse(read);
    else this.#receive(read as Incoming, body.length);
  }

  #receive({ id, method, params = {} }: Incoming, bytes: number): void {
    // A response to nothing: a complaint about it could go back and forth for ever.
    if (method === undefined) return;
    if (id === undefined) return void this.#notified(method, params);
    const key = keyOf(id);
    const refusal = this.#refusedGuest(id, method, params) ?? this.#unwelcome(id, key, bytes);
    if (refusal) return void this.#refuse(refusal);
    this.#inFlight.set(key, bytes);
    this.#inFlightBytes += bytes;
    this.#count(bytes + REQUEST_COST);
    this.#writeBuffer.expected++;
    this.#deliver(inner({ jsonrpc: "2.0", id: key, method, params }));
  }

  /** Every request of a client that may use nothing gets the same answer, whatever it asks for. */
  #refusedGuest(id: Id, method: string, params: object): Refusal | undefined {
    const { admission } = this.#guard;
    if (!admission || admission.isAdmitted) return undefined;
    const data: ErrorData = { reason: "caller_not_allowed" };
    return new Refusal(codes.failed, admission.refuse(method, params), id, data);
  }

  /** What is wrong with a valid request at this moment. */
  #unwelcome(id: Id, key: Key, bytes: number): Refusal | undefined {
    if (this.#inFlight.has(key)) {
      // With its id it would be taken for the answer to the first.
      const text = "This id belongs to a request that is still in flight: choose another.";
      return new Refusal(codes.invalidRequest, text);
    }
    if (this.#leaving) {
      const text = "This connection is shut down: nothing but `exit` may follow.";
      return new Refusal(codes.invalidRequest, text, id);
    }
    const fits =
      this.#inFlight.size < this.#limits.inFlight &&
      this.#inFlightBytes + bytes <= this.#limits.inFlightBytes;
    if (fits && this.#fits(bytes + REQUEST_COST)) return undefined;
    const text = fits
      ? serverBusy().message
      : "Too many requests of this connection are in flight: wait for answers first.";
    const data: ErrorData = { reason: "too_busy", retryAfterMs: RETRY_AFTER_MS };
    return new Refusal(codes.failed, text, id, data);
  }

  /** All that a client may tell unasked. */
  #notified(method: string, params: object): void {
    if (method === "exit") return void this.#endInput();
    if (method !== "$/cancelRequest") return;
    // vscode-jsonrpc throws if it names no request.
    const { id } = params as { id?: unknown };
    if (!isId(id) || !this.#inFlight.has(keyOf(id))) return;
    this.#deliver(inner({ jsonrpc: "2.0", method, params: { id: keyOf(id) } }));
  }

  #refuse(refusal: Refusal): void {
    this.#intake.budget.spendOnInvalid(1);
    this.#writeBuffer.push(refusalToJson(refusal));
  }

  #refuseBatch(refusals: readonly Refusal[]): void {
    this.#intake.budget.spendOnInvalid(refusals.length);
    if (refusals.length > 0) this.#writeBuffer.push(`[${refusals.map(refusalToJson).join(",")}]`);
  }

  #write(message: Message): Promise<void> {
    const { budget } = this.#intake;
    if (budget.isMeasuring) return this.#writeNow(message);
    return budget.measure(() => this.#writeNow(message));
  }

  #writeNow(message: Message): Promise<void> {
    if ("method" in message) return this.#notify(message as NotificationMessage);
    const response = message as ResponseMessage;
    // Its handler may have been waiting for room, or have been left with some of it.
    if (response.error) this.#lots.get(response.id as Key)?.release();
    const isFree =
      this.#writeBuffer.queued <= this.#limits.highWaterBytes && !this.#intake.holdBack();
    if (this.#delayedResponses.length === 0 && isFree) {
      this.#answer(response);
    } else if (this.#delayedResponses.push(response) === 1) {
      void this.#answerLate();
    }
    return done;
  }

  /** One by one, as the peer takes them: large answers all at once would have it dropped. */
  async #answerLate(): Promise<void> {
    try {
      for (let next = this.#delayedResponses[0]; next; next = this.#delayedResponses[0]) {
        await this.#writeBuffer.whenRoom();
        await this.#intake.whenInBudget();
        // All may have been answered meanwhile, as the daemon ends.
        if (this.#delayedResponses[0] !== next) continue;
        this.#intake.budget.measure(() => this.#answer(next));
        this.#delayedResponses.shift();
      }
      this.#drainHeld();
    } catch {
      // The peer is gone.
      this.#delayedResponses.length = 0;
    }
  }

  #answer(response: ResponseMessage): void {
    const key = response.id as Key;
    const bytes = this.#inFlight.get(key);
    if (bytes === undefined) return;
    this.#inFlight.delete(key);
    this.#inFlightBytes -= bytes;
    this.#count(-bytes - REQUEST_COST);
    this.#respond(idOf(key), response, this.#lots.size > 0 ? this.#releaseOf(key) : undefined);
    this.#endWhenAnswered();
  }

  /** What was held for an answer is given back when the system has taken it. */
  #releaseOf(key: Key): (() => void) | undefined {
    const reservation = this.#lots.get(key);
    this.#lots.delete(key);
    return reservation && (() => reservation.release());
  }

  #respond(id: Id, { result, error }: ResponseMessage, onTaken?: () => void): void {
    const head = `{"jsonrpc":"2.0","id":${idToJson(id)},`;
    if (error) {
      this.#writeBuffer.push(`${head}"error":${toJson(error)}}`);
      return;
    }
    try {
      const { json, bytes, encoded } = this.#serialize(result);
      if (encoded)
        return void this.#writeBuffer.pushEncoded(`${head}"result":`, encoded, "}", onTaken);
      const around = typeof id === "number" ? head.length : Buffer.byteLength(head);
      const length = around + '"result":}'.length + bytes;
      this.#writeBuffer.push(`${head}"result":${json}}`, length, onTaken);
    } catch {
      onTaken?.();
      // A string longer than V8 can hold.
      const text = "The answer is too long to be sent in one message.";
      this.#refuse(new Refusal(codes.failed, text, id, { reason: "response_too_large" }));
    }
  }

  /** Resolves when there is room for the next one. */
  #notify({ method, params }: NotificationMessage): Promise<void> {
    if (this.#socket.destroyed) return Promise.reject(gone());
    const about = objectToJson(params as object);
    this.#writeBuffer.push(`{"jsonrpc":"2.0","method":${toJson(method)},"params":${about}}`);
    return this.#writeBuffer.whenRoom() ?? done;
  }
}

const serverBusy = () =>
  new AuthdError(
    "too_busy",
    "authd holds as much for its clients as it may: wait for answers, or try again later.",
    { retryAfterMs: RETRY_AFTER_MS },
  );

/** `Message` lists no members of its kinds. */
const inner = (message: RequestMessage | NotificationMessage) => message;
const done = Promise.resolve();
const nothing: Disposable = { dispose: () => {} };
const never = () => nothing;

/** A result as JSON, with its length in UTF-8; `encoded` instead of `json` for a long one that is kept. */
interface Serialized {
  json: string;
  bytes: number;
  encoded?: Buffer;
}
export type Serialize = (result: unknown) => Serialized;

/** Longer results that are kept are kept as bytes: encoding a list of 10,000 credentials takes milliseconds. */
const MAX_KEPT_TEXT_BYTES = 64 * 1024;

/**
 * One for a whole server. A frozen result is taken to stay as it is, all the way down, and is
 * written out once: a warm token is asked for again and again.
 */
export function serializer(): Serialize {
  const kept = new WeakMap<object, Serialized>();
  return (result) => {
    const frozen = typeof result === "object" && result !== null && Object.isFrozen(result);
    const known = frozen ? kept.get(result) : undefined;
    if (known) return known;
    const json = resultToJson(result);
    const bytes = Buffer.byteLength(json);
    const isEncoded = frozen && bytes > MAX_KEPT_TEXT_BYTES;
    const fresh = isEncoded ? { json: "", bytes, encoded: Buffer.from(json) } : { json, bytes };
    if (frozen) kept.set(result, fresh);
    return fresh;
  };
}

function refusalToJson({ id, code, text: message, data }: Refusal): string {
  return `{"jsonrpc":"2.0","id":${idToJson(id)},"error":${toJson({ code, message, data })}}`;
}

/** vscode-jsonrpc's queue takes 1 and "1" for the same id; a mark tells them apart. */
function keyOf(id: Id): Key {
  if (typeof id === "number") return id;
  return id instanceof JsonNumber ? `n${id.text}` : `s${id}`;
}

/** Returns the id of which `key` was made. */
export function idOf(key: Key): Id {
  if (typeof key === "number") return key;
  return key[0] === "n" ? new JsonNumber(key.slice(1)) : key.slice(1);
}
