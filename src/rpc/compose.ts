import type { Method } from "../protocol.ts";
import type { Call, HandlersWithoutUploads } from "./call.ts";

/**
 * Answers the calls of one method. Returns its result, or a promise of it where it has to wait: a token
 * that is cached is answered without a promise.
 */
export type Handler = (params: never, call: Call) => unknown;

/** Returns what runs in the place of `next`, the handler of one method or what is around it. */
export type Interceptor = (next: Handler, method: Method) => Handler;

/** Passes each call through the interceptors, the first one first, before the method's handler. */
export function compose(
  interceptors: readonly Interceptor[],
  handlers: HandlersWithoutUploads,
): HandlersWithoutUploads {
  const rows = Object.entries(handlers) as [Method, Handler][];
  const composed = rows.map(([method, handler]) => [
    method,
    interceptors.reduceRight((next, intercept) => intercept(next, method), handler),
  ]);
  return Object.fromEntries(composed) as HandlersWithoutUploads;
}

/** Returns the interceptor that runs a method's check before its handler: it throws, or returns. */
export function check(
  checks: Partial<Record<Method, (params: never, call: Call) => void>>,
): Interceptor {
  return (next, method) => {
    const assertAllowed = checks[method];
    if (!assertAllowed) return next;
    return (params, call) => {
      assertAllowed(params, call);
      return next(params, call);
    };
  };
}
