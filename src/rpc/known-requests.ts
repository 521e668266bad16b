import type { ParamsOf } from "../protocol.ts";
import type { Incoming } from "./message.ts";

/** Ways in which most clients begin a request. Behind them is an id in digits. */
const HEADS = ['{"jsonrpc":"2.0","id":', '{"jsonrpc": "2.0", "id": '] as const;
/** Requests that are longer (bytes) are not kept. */
const MAX_BYTES = 512;
const MAX_KEPT = 256;
/** More digits may be no safe integer. */
const MAX_ID_DIGITS = 15;
/** Members that hold no secret, and are part of no other way of asking. */
const PLAIN_PARAMS = new Set(["credential", "minValidity", "scope", "audience", "timeoutMs"]);
const [ZERO, NINE, COMMA] = [0x30, 0x39, 0x2c];

/** A getToken that was read and checked before. */
export interface KnownRequest {
  readonly params: ParamsOf<"getToken">;
}

/** Text of a message, one character a byte, up to its id and behind it. */
interface Head {
  readonly id: number;
  readonly rest: string;
}

/**
 * Recognizes requests for a token: those of one program differ in nothing but the id. They are not
 * decoded, parsed and checked again.
 */
export class KnownRequests {
  /** Keys are the bytes that follow the id. */
  readonly #byRest = new Map<string, KnownRequest>();
  readonly #check: (params: object) => ParamsOf<"getToken"> | undefined;

  /** `check` returns undefined for params that are not right. */
  constructor(check: (params: object) => ParamsOf<"getToken"> | undefined) {
    this.#check = check;
  }

  find(body: Buffer): { readonly id: number; readonly known: KnownRequest } | undefined {
    const head = this.#byRest.size > 0 ? headOf(body) : undefined;
    const known = head && this.#byRest.get(head.rest);
    return known && { id: head.id, known };
  }

  /**
   * Keeps a request that `body` has in the usual form, with params that are right. Returns undefined for
   * any other.
   */
  learn(body: Buffer, { id, method, params = {} }: Incoming): KnownRequest | undefined {
    const head = method === "getToken" ? headOf(body) : undefined;
    if (!head || head.id !== id) return undefined;
    // No later member may be another id, however it is written.
    if (head.rest.includes('"id"') || head.rest.includes("\\")) return undefined;
    if (!Object.keys(params).every((name) => PLAIN_PARAMS.has(name))) return undefined;
    const checked = this.#check(params);
    if (checked === undefined) return undefined;
    const known = { params: Object.freeze(checked) };
    if (this.#byRest.size >= MAX_KEPT) this.#byRest.clear();
    this.#byRest.set(head.rest, known);
    return known;
  }
}

function headOf(body: Buffer): Head | undefined {
  if (body.length > MAX_BYTES) return undefined;
  const text = body.toString("latin1");
  const head = HEADS.find((one) => text.startsWith(one));
  if (head === undefined) return undefined;
  let end = head.length;
  let id = 0;
  for (; end - head.length < MAX_ID_DIGITS; end++) {
    const code = text.charCodeAt(end);
    if (!(code >= ZERO && code <= NINE)) break;
    id = id * 10 + code - ZERO;
  }
  const digits = end - head.length;
  if (digits === 0 || text.charCodeAt(end) !== COMMA) return undefined;
  if (digits > 1 && text.charCodeAt(head.length) === ZERO) return undefined;
  return { id, rest: text.slice(end) };
}
