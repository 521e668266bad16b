import { AuthdError } from "../errors.ts";
import type { Method } from "../protocol.ts";
import type { Call } from "../rpc/call.ts";
import type { Handler, Interceptor } from "../rpc/compose.ts";
import type { AuditEvent } from "./entry.ts";

/** Methods whose success is a line, and what the line is about. */
const EVENTS: Partial<Record<Method, AuditEvent>> = {
  getToken: "use",
  authorizedRequest: "use",
  "credentials/introspect": "use",
  "credentials/test": "use",
  "credentials/refresh": "use",
  "credentials/add": "change",
  "credentials/set": "change",
  "credentials/trust": "change",
  "credentials/remove": "change",
  "credentials/logout": "change",
  "login/start": "change",
  "login/finish": "change",
  "login/cancel": "change",
  reload: "change",
  "tokenFiles/add": "change",
  "tokenFiles/remove": "change",
  "vault/export": "change",
  "vault/import": "change",
  "vault/rekey": "change",
  "vault/move": "change",
  "fleet/invite": "change",
  "fleet/key": "change",
  "fleet/join": "change",
  "fleet/drain": "change",
  "fleet/remove": "change",
  shutdown: "change",
  "approvals/answer": "approval",
  lock: "lock",
  unlock: "lock",
} as Partial<Record<string, AuditEvent>>;

/** One call that has ended. */
export interface AuditedCall {
  readonly event: AuditEvent;
  readonly method: Method;
  readonly params: Readonly<Record<string, unknown>>;
  readonly call: Call;
  /** `ok`, or the reason of the error. */
  readonly outcome: string;
  readonly result?: object;
}

export interface AuditSink {
  /** Rejects when nothing may be done, as it could not be written down. */
  before?: (() => Promise<void>) | undefined;
  /** Takes each call that has ended. The answer waits for a promise. */
  ended(call: AuditedCall): Promise<void> | undefined;
}

/** Tells `sink` of every call that is worth a line: uses, changes, and whoever was refused. */
export function auditInterceptor(sink: AuditSink): Interceptor {
  return (next, method) => {
    if (method !== "shutdown") return audited(EVENTS[method], method, next, sink);
    const ofDaemon = audited(EVENTS.shutdown, method, next, sink);
    const ofConnection = audited(undefined, method, next, sink);
    return (params: { daemon?: boolean }, call) =>
      params.daemon ? ofDaemon(params as never, call) : ofConnection(params as never, call);
  };
}

function audited(
  event: AuditEvent | undefined,
  method: Method,
  next: Handler,
  sink: AuditSink,
): Handler {
  // A disk that is full must not keep secrets in memory.
  const before = event && method !== "lock" ? sink.before : undefined;
  const succeeded = <Result>(params: never, call: Call, result: Result) => {
    if (!event) return result;
    const ended = { event, method, params, call, outcome: "ok", result: result as object };
    const written = sink.ended(ended);
    return written === undefined ? result : written.then(() => result);
  };
  const failed = (params: never, call: Call, error: unknown) => {
    const outcome = error instanceof AuthdError ? error.reason : "internal";
    // Of methods that only look, refusals are written down.
    if (!event && outcome !== "caller_not_allowed") throw error;
    const written = sink.ended({ event: "refusal", method, params, call, outcome });
    if (written === undefined) throw error;
    return written.then(() => {
      throw error;
    });
  };
  const run = (params: never, call: Call) => {
    let result: unknown;
    try {
      result = next(params, call);
    } catch (error) {
      return failed(params, call, error);
    }
    if (!(result instanceof Promise)) return succeeded(params, call, result);
    return result.then(
      (value) => succeeded(params, call, value),
      (error) => failed(params, call, error),
    );
  };
  return before ? (params, call) => before().then(() => run(params, call)) : run;
}
