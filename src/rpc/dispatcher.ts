import { ResponseError } from "vscode-jsonrpc/node";
import type { Log } from "../base/log.ts";
import type * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import type { Method, ParamsOf } from "../protocol.ts";
import { cancelled, type Handlers, type ServerCall } from "./call.ts";
import type { KnownRequest } from "./known-requests.ts";
import { codes } from "./message.ts";
import { params } from "./params.ts";
import { toResponseError } from "./response-error.ts";

type Handler = (given: never, call: ServerCall) => unknown;

/** Checks the params of requests and has their handlers answer them. Nothing in it throws or rejects. */
export class Dispatcher {
  readonly #handlers: Handlers;
  readonly #log: Log;
  readonly #isKnown: ReadonlySet<string>;
  /** Answers every request from now on, where it is set. */
  refusal: (() => AuthdError) | undefined = undefined;

  constructor(handlers: Handlers, log: Log) {
    this.#handlers = handlers;
    this.#log = log;
    this.#isKnown = new Set(Object.keys(params));
  }

  /** Returns a result, a ResponseError, or a promise of either. */
  answer(method: string, given: unknown, call: ServerCall): unknown {
    if (!this.#isKnown.has(method)) return unknownMethod(method, this.#isKnown);
    const known = method as Method;
    return this.#run(known, call, () => {
      return (this.#handlers[known] as Handler)(checked(known, given) as never, call);
    });
  }

  /** Answers a getToken whose params were checked before. */
  answerKnown({ params: given }: KnownRequest, call: ServerCall): unknown {
    return this.#run("getToken", call, () => this.#handlers.getToken(given, call));
  }

  #run(method: Method, call: ServerCall, handle: () => unknown): unknown {
    const fail = (error: unknown) => toResponseError(error, method, this.#log);
    if (this.refusal) return fail(this.refusal());
    if (call.isCancellationRequested) return fail(cancelled());
    try {
      const result = handle();
      return result instanceof Promise ? call.settle(result, fail) : result;
    } catch (error) {
      return fail(error);
    }
  }
}

/** Returns the params of a getToken as its handler takes them; undefined if they are not right. */
export function checkedGetToken(given: object): ParamsOf<"getToken"> | undefined {
  const { success, data } = params.getToken.safeParse(given);
  return success ? (data as ParamsOf<"getToken">) : undefined;
}

/** Throws AuthdError `invalid_params` that names members and what was expected, never values. */
function checked<M extends Method>(method: M, given: unknown): ParamsOf<M> {
  const { success, data, error } = parsed(method, given);
  if (success) return data as ParamsOf<M>;
  const fewer = withoutEmpty(given as object, error);
  if (fewer) return checked(method, fewer);
  const problems = error.issues.slice(0, 3).map(describe).join("; ");
  throw new AuthdError("invalid_params", `The params of ${method} are not right: ${problems}.`);
}

/** zod goes down into nested values by recursion. */
function parsed(method: Method, given: unknown) {
  try {
    return params[method].safeParse(given);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const text = `The params of ${method} are not right: they are nested too deeply.`;
    throw new AuthdError("invalid_params", text);
  }
}

/**
 * Many clients send null for a member that they leave out, and PHP an empty array for an empty object.
 * Returns the params without those that are refused; undefined if there is none. Inside of `headers`,
 * `settings` and `secrets` null is no absence.
 */
function withoutEmpty(given: object, { issues }: z.core.$ZodError): object | undefined {
  const isEmpty = (value: unknown) =>
    value === null || (Array.isArray(value) && value.length === 0);
  const names = issues.flatMap(({ path }) => (path.length === 1 ? String(path[0]) : []));
  const kept = Object.entries(given).filter(
    ([name, value]) => !(isEmpty(value) && names.includes(name)),
  );
  return kept.length < Object.keys(given).length ? Object.fromEntries(kept) : undefined;
}

function describe({ path, message }: z.core.$ZodIssue): string {
  const member = path.map((key) => String(key).slice(0, 64)).join(".");
  return `${member || "params"}: ${message.replace(/^Invalid input: /, "")}`;
}

function unknownMethod(method: string, methods: ReadonlySet<string>) {
  const text = `There is no method ${JSON.stringify(method.slice(0, 64))}. There are: ${[...methods].join(", ")}.`;
  return new ResponseError(codes.unknownMethod, text, { reason: "invalid_params" });
}
