import type { Registry } from "../credential/registry.ts";
import type { Method } from "../protocol.ts";
import type { Interceptor } from "../rpc/compose.ts";

/** Methods that look at no more than the credential that they name. */
const ANSWERED_AT_ONCE: ReadonlySet<Method> = new Set<Method>([
  ...(["initialize", "getToken", "authorizedRequest", "credentials/show", "health"] as const),
  ...(["subscribe", "unsubscribe", "shutdown"] as const),
]);

/** Has all other methods wait until every credential file was read: with 10,000 that takes seconds after a start. */
export function allReadInterceptor(registry: Pick<Registry, "isRead" | "whenRead">): Interceptor {
  return (next, method) => {
    if (ANSWERED_AT_ONCE.has(method)) return next;
    return (params, call) => {
      if (registry.isRead) return next(params, call);
      return registry.whenRead().then(() => next(params, call));
    };
  };
}
