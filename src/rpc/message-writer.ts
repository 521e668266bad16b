import {
  type Message,
  type NotificationMessage,
  ResponseError,
  type ResponseMessage,
} from "vscode-jsonrpc/node";
import { type Id, idToJson, objectToJson, toJson } from "../base/json-text.ts";
import type { AuthdError } from "../errors.ts";
import { codes, Refusal } from "./message.ts";
import type { MessageReader } from "./message-reader.ts";
import { idOf, type RequestKey } from "./request-key.ts";
import type { RequestsInFlight } from "./requests-in-flight.ts";
import type { Serialize } from "./serializer.ts";
import type { WriteBuffer } from "./write-buffer.ts";

export interface MessageWriterOptions {
  buffer: WriteBuffer;
  inFlight: RequestsInFlight;
  /** Its CPU budget also bounds the writing of responses. */
  reader: Pick<MessageReader, "budget" | "holdBack" | "whenInBudget">;
  serialize: Serialize;
  /** More characters than this wait for the client: the next response waits, too. */
  highWaterBytes: number;
  /** Called after each response. */
  onAnswered(): void;
  /** Called when no response waits any more. */
  onCaughtUp(): void;
}

/** Writes responses and notifications to one client, no faster than it takes them. */
export class MessageWriter {
  readonly #options: MessageWriterOptions;
  /** Responses that wait for the client to take those before. */
  readonly #delayed: ResponseMessage[] = [];

  constructor(options: MessageWriterOptions) {
    this.#options = options;
  }

  /** True while responses wait. */
  get isBehind(): boolean {
    return this.#delayed.length > 0;
  }

  /** True if a response would be written at once. */
  get isFree(): boolean {
    const { buffer, highWaterBytes, reader } = this.#options;
    return !this.isBehind && buffer.queued <= highWaterBytes && !reader.holdBack();
  }

  write(message: Message): Promise<void> {
    const { budget } = this.#options.reader;
    if (budget.isMeasuring) return this.#writeNow(message);
    return budget.measure(() => this.#writeNow(message));
  }

  refuse(refusal: Refusal): void {
    this.#options.reader.budget.spendOnInvalid(1);
    this.#options.buffer.push(refusalToJson(refusal));
  }

  refuseBatch(refusals: readonly Refusal[]): void {
    const { buffer, reader } = this.#options;
    reader.budget.spendOnInvalid(refusals.length);
    if (refusals.length > 0) buffer.push(`[${refusals.map(refusalToJson).join(",")}]`);
  }

  /** Answers all that is still in flight with `error`, and hands to the system what it takes. */
  refuseInFlight({ reason, message, retryAfterMs }: AuthdError): void {
    for (const response of this.#delayed.splice(0)) this.#answer(response);
    const error = { code: codes.failed, message, data: { reason, retryAfterMs } };
    for (const id of this.#options.inFlight.keys()) {
      this.#answer({ jsonrpc: "2.0", id, error } as ResponseMessage);
    }
    this.#options.buffer.flush();
  }

  #writeNow(message: Message): Promise<void> {
    if ("method" in message) return this.#notify(message as NotificationMessage);
    const response = message as ResponseMessage;
    // Its handler may have been waiting for room, or have been left with some of it.
    if (response.error) this.#options.inFlight.releaseReservation(response.id as RequestKey);
    if (this.isFree) this.#answer(response);
    else if (this.#delayed.push(response) === 1) void this.#answerLate();
    return done;
  }

  /** Answers one by one, as the client takes them: large answers all at once would have it dropped. */
  async #answerLate(): Promise<void> {
    const { buffer, reader, onCaughtUp } = this.#options;
    try {
      for (let next = this.#delayed[0]; next; next = this.#delayed[0]) {
        await buffer.whenRoom();
        await reader.whenInBudget();
        // All may have been answered meanwhile, as the daemon ends.
        if (this.#delayed[0] !== next) continue;
        reader.budget.measure(() => this.#answer(next));
        this.#delayed.shift();
      }
      onCaughtUp();
    } catch {
      // The client is gone.
      this.#delayed.length = 0;
    }
  }

  #answer(response: ResponseMessage): void {
    const key = response.id as RequestKey;
    const removed = this.#options.inFlight.remove(key);
    if (!removed) return;
    const { reservation } = removed;
    // Given back when the system has taken the answer.
    const release = reservation && (() => reservation.release());
    if (response.error) this.#respondError(idOf(key), response.error);
    else this.#respondResult(idOf(key), response.result, release);
    this.#options.onAnswered();
  }

  #respondError(id: Id, error: object): void {
    this.#options.buffer.push(`${headOf(id)}"error":${toJson(error)}}`);
  }

  #respondResult(id: Id, result: unknown, onTaken?: () => void): void {
    const { buffer, serialize } = this.#options;
    const head = `${headOf(id)}"result":`;
    try {
      const { json, bytes, encoded } = serialize(result);
      if (encoded) {
        this.#options.reader.budget.spendOnKept(bytes);
        const taken = (error?: Error | null) => {
          if (!error) encoded.onTaken?.();
          onTaken?.();
        };
        return void buffer.pushEncoded(head, { pieces: encoded.pieces, bytes }, "}", taken);
      }
      const headBytes = typeof id === "number" ? head.length : Buffer.byteLength(head);
      buffer.push(`${head}${json}}`, headBytes + bytes + 1, onTaken);
    } catch {
      onTaken?.();
      // A string longer than V8 can hold.
      const text = "The answer is too long to be sent in one message.";
      this.refuse(new Refusal(codes.failed, text, id, { reason: "response_too_large" }));
    }
  }

  /** Resolves when there is room for the next one; rejects when the client is gone. */
  #notify({ method, params }: NotificationMessage): Promise<void> {
    const { buffer } = this.#options;
    const about = objectToJson(params as object);
    buffer.push(`{"jsonrpc":"2.0","method":${toJson(method)},"params":${about}}`);
    return buffer.whenRoom() ?? done;
  }
}

const done = Promise.resolve();
const headOf = (id: Id) => `{"jsonrpc":"2.0","id":${idToJson(id)},`;

/** Returns the message for an answer: a result, or a ResponseError. */
export function responseOf(id: RequestKey, answer: unknown): ResponseMessage {
  const members = answer instanceof ResponseError ? { error: answer.toJson() } : { result: answer };
  return { jsonrpc: "2.0", id, ...members } as ResponseMessage;
}

function refusalToJson({ id, code, text: message, data }: Refusal): string {
  return `{"jsonrpc":"2.0","id":${idToJson(id)},"error":${toJson({ code, message, data })}}`;
}
