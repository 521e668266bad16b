import { AuthdError } from "../errors.ts";
import type { Method } from "../protocol.ts";
import type { Call, HandlersWithoutUploads } from "../rpc/server.ts";
import type { AuditEvent } from "./entry.ts";

/** What each method is, where its success is worth a line. */
const EVENTS: Partial<Record<Method, AuditEvent>> = {
  getToken: "use",
  authorizedRequest: "use",
  "credentials/test": "use",
  "credentials/refresh": "use",
  "credentials/add": "change",
  "credentials/set": "change",
  "credentials/trust": "change",
  "credentials/remove": "change",
  reload: "change",
  "vault/export": "change",
  "vault/import": "change",
  "vault/rekey": "change",
  shutdown: "change",
  "approvals/answer": "approval",
  lock: "lock",
  unlock: "lock",
} as Partial<Record<string, AuditEvent>>;

/** What is asked and done, as a handler sees it. */
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
  /** Rejects or throws when nothing may be done, as it could not be written down. */
  before?: () => Promise<void>;
  /** Told after each call. A promise: the answer waits for it. */
  saw(seen: AuditedCall): Promise<void> | undefined;
}

type Handler = (params: never, call: Call) => unknown;

/** The same handlers, with somebody who sees what they do. */
export function withAudit(
  handlers: HandlersWithoutUploads,
  witness: AuditSink,
): HandlersWithoutUploads {
  const rows = Object.entries(handlers) as [Method, Handler][];
  return Object.fromEntries(
    rows.map(([method, handler]) => [method, withAuditOne(method, handler, witness)]),
  ) as unknown as HandlersWithoutUploads;
}

function withAuditOne(method: Method, handler: Handler, witness: AuditSink): Handler {
  if (method !== "shutdown") return watchedAs(EVENTS[method], method, handler, witness);
  const ofDaemon = watchedAs(EVENTS.shutdown, method, handler, witness);
  const ofConnection = watchedAs(undefined, method, handler, witness);
  return (params: { daemon?: boolean }, call) =>
    params.daemon ? ofDaemon(params as never, call) : ofConnection(params as never, call);
}

function watchedAs(
  event: AuditEvent | undefined,
  method: Method,
  handler: Handler,
  witness: AuditSink,
): Handler {
  // A disk that is full must not keep secrets in memory.
  const before = event && method !== "lock" ? witness.before : undefined;
  const succeeded = <Result>(params: never, call: Call, result: Result) => {
    if (!event) return result;
    const seen = { event, method, params, call, outcome: "ok", result: result as object };
    const written = witness.saw(seen);
    return written ? written.then(() => result) : result;
  };
  const failed = (params: never, call: Call, error: unknown) => {
    const outcome = error instanceof AuthdError ? error.reason : "internal";
    // Of those that only look, who was turned away.
    if (!event && outcome !== "caller_not_allowed") throw error;
    const written = witness.saw({ event: "refusal", method, params, call, outcome });
    if (!written) throw error;
    return written.then(() => {
      throw error;
    });
  };
  const run = (params: never, call: Call) => {
    let result: unknown;
    try {
      result = handler(params, call);
    } catch (error) {
      return failed(params, call, error);
    }
    // A token that is cached is answered without a promise.
    if (!(result instanceof Promise)) return succeeded(params, call, result);
    return result.then(
      (value) => succeeded(params, call, value),
      (error) => failed(params, call, error),
    );
  };
  return before ? (params, call) => before().then(() => run(params, call)) : run;
}
