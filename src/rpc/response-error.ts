import { ResponseError } from "vscode-jsonrpc/node";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError, errorCode } from "../errors.ts";
import type { ErrorData, Reason } from "../protocol.ts";
import { codes } from "./message.ts";

/** The reasons that have a JSON-RPC code of their own; every other is code 1. */
const reasonCodes: Partial<Record<Reason, number>> = {
  invalid_params: codes.invalidParams,
  cancelled: codes.cancelled,
};

/** What Node says of a file that is imported, or required. */
const GONE = /^(ERR_)?MODULE_NOT_FOUND$/;

/**
 * The only way from an error to the wire. What the daemon itself has put into words is told, a full
 * disk too; anything unforeseen is logged and told to nobody.
 */
export function toResponseError(
  error: unknown,
  method: string,
  log: Log,
): ResponseError<ErrorData> {
  if (error instanceof AuthdError) {
    const { reason, credential, retryAfterMs, oauth, message, cause } = error;
    if (reason === "internal") log.error({ method, ...traceOf(cause ?? error) }, message);
    return new ResponseError<ErrorData>(reasonCodes[reason] ?? codes.failed, message, {
      reason,
      ...(credential !== undefined && { credential }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(oauth && { oauth }),
    });
  }
  log.error({ method, ...traceOf(error) }, "a request failed unexpectedly");
  const text = GONE.test(errorCode(error) ?? "")
    ? `${method} needs a file of authd that is gone: authd was replaced while its daemon runs. Start the daemon again.`
    : `${method} failed inside authd: its log says where. Please report it as a bug.`;
  return new ResponseError<ErrorData>(codes.failed, text, { reason: "internal" });
}

/**
 * Kind and place of an error without its message, which may quote what was being read: JSON.parse
 * cites its input, and that can be an issuer's answer.
 */
function traceOf(error: unknown): { error: string; code?: string; at?: string[] } {
  if (!(error instanceof Error)) return { error: typeof error };
  const at = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^ {4}at /.test(line))
    .map((line) => line.slice(7));
  return omitUndefined({ error: error.name, code: errorCode(error), at });
}
