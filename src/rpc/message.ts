import { isUtf8 } from "node:buffer";
import { type Id, isId, isTooLong, JsonNumber, MAX_ID_BYTES } from "../base/json-text.ts";
import type { ErrorData } from "../protocol.ts";
import { elementsOf, sourceAt } from "./json-source.ts";

/** JSON-RPC's and the Language Server Protocol's own error codes; 1 is ours. */
export const codes = {
  failed: 1,
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  cancelled: -32800,
} as const;

/** More messages in one batch are not told apart. */
const MAX_BATCH = 100;

/** A message that is known to be valid; `method` is missing in responses, `id` in notifications. */
export interface Incoming {
  id?: Id;
  method?: string;
  params?: object;
}

/** An error for the client; with id null it goes to nobody in particular. */
export class Refusal {
  readonly code: number;
  readonly text: string;
  readonly id: Id | null;
  readonly data: ErrorData;

  constructor(
    code: number,
    text: string,
    id: Id | null = null,
    data: ErrorData = { reason: "invalid_params" },
  ) {
    this.code = code;
    this.text = text;
    this.id = id;
    this.data = data;
  }
}

/**
 * Reads one frame. vscode-jsonrpc leaves most of what is wrong with a message unanswered. Returns the
 * valid message, what to answer instead, or for a batch a list of answers.
 */
export function readMessage(body: Buffer): Incoming | Refusal | readonly Refusal[] {
  const json = decoded(body);
  const message = json === undefined ? unreadable : parsed(json);
  if (json === undefined || message === unreadable) {
    return new Refusal(codes.parse, "The message is not JSON in UTF-8.");
  }
  if (Array.isArray(message)) return refusedBatch(message, json);
  if (!isNamed(message)) {
    return new Refusal(codes.invalidRequest, "A message is an object: send one request at a time.");
  }
  const incoming = message as Record<string, unknown>;
  const { id } = incoming;
  if (typeof id === "number" && !(Number.isSafeInteger(id) && isPlainId(json))) {
    incoming.id = asWritten(id, sourceAt(json, ["id"]));
  }
  return refused(incoming) ?? accepted(incoming, json);
}

const unreadable = Symbol("unreadable");

/** Undefined if it is not UTF-8. A byte order mark is no part of the message. */
function decoded(body: Buffer): string | undefined {
  if (!isUtf8(body)) return undefined;
  return body[0] === 0xef ? body.toString().replace(/^\ufeff/, "") : body.toString();
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return unreadable;
  }
}

/** Returns what is wrong with a message, whatever its method. */
function refused(message: Record<string, unknown>): Refusal | undefined {
  const { jsonrpc, id, method, params } = message;
  if (isResponse(message)) return undefined;
  if (id !== undefined && !isId(id)) {
    return new Refusal(codes.invalidRequest, "An id is a string or a number.");
  }
  if (jsonrpc !== "2.0" || typeof method !== "string") {
    const text = 'A request has `"jsonrpc": "2.0"`, `id`, `method` and `params`.';
    return new Refusal(codes.invalidRequest, text, id);
  }
  if (id === undefined) return undefined;
  if (isTooLong(id)) {
    return new Refusal(codes.invalidRequest, `An id has at most ${MAX_ID_BYTES} bytes.`, id);
  }
  if (isAbsent(params) || isNamed(params)) return undefined;
  return new Refusal(codes.invalidParams, "params must be an object of named members.", id);
}

/** The message with its params, and with numbers that go back to the client as they are written. */
function accepted(message: Record<string, unknown>, json: string): Incoming {
  if (isAbsent(message.params)) message.params = {};
  const params = message.params as { id?: unknown; streamToken?: unknown };
  if (message.method === "$/cancelRequest") {
    const { id } = params;
    if (typeof id === "number") params.id = asWritten(id, sourceAt(json, ["params", "id"]));
  } else if (typeof params.streamToken === "number") {
    const source = sourceAt(json, ["params", "streamToken"]);
    params.streamToken = asWritten(params.streamToken, source);
  }
  return message;
}

/**
 * Returns one refusal for each message, with its id. A response among them gets none: a complaint about it
 * could go back and forth for ever.
 */
function refusedBatch(batch: readonly unknown[], json: string): Refusal | readonly Refusal[] {
  const text = "A batch is not supported: send one request at a time.";
  const { invalidRequest } = codes;
  if (batch.length === 0) return new Refusal(invalidRequest, text);
  if (batch.length > MAX_BATCH) {
    return new Refusal(invalidRequest, `${text} This one has over ${MAX_BATCH} messages.`);
  }
  const sources = elementsOf(json);
  return batch.flatMap((message, index) => {
    if (!isNamed(message)) return new Refusal(invalidRequest, text);
    if (isResponse(message)) return [];
    const { id } = message as { id?: unknown };
    const known = typeof id === "number" ? asWritten(id, sourceAt(sources[index]!, ["id"])) : id;
    return new Refusal(invalidRequest, text, isId(known) ? known : null);
  });
}

/** Beginning of most clients' requests. */
const USUAL_HEAD = '{"jsonrpc":"2.0","id":';

/** True if the id is where most clients write it, in digits: JavaScript writes it in the same way. */
function isPlainId(json: string): boolean {
  if (!json.startsWith(USUAL_HEAD)) return false;
  let at = USUAL_HEAD.length;
  while (isDigit(json.charCodeAt(at))) at++;
  return json.charCodeAt(at) === COMMA;
}

const COMMA = 0x2c;
const isDigit = (code: number) => code >= 0x30 && code <= 0x39;

function asWritten(value: number, source = String(value)): number | JsonNumber {
  return Number.isSafeInteger(value) && String(value) === source ? value : new JsonNumber(source);
}

const isResponse = (message: { method?: unknown }) =>
  message.method === undefined && ("result" in message || "error" in message);
const isNamed = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** True for values that clients send for absent params. */
const isAbsent = (params: unknown) =>
  params === undefined || params === null || (Array.isArray(params) && params.length === 0);
