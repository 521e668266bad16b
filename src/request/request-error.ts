import type { Cancellation } from "../base/cancellation.ts";
import { AuthdError } from "../errors.ts";
import { TooLarge, UnusableContent } from "../http/content.ts";
import { neverSent, SAFE_METHODS, timedOut } from "../http/http.ts";
import { explainNetworkError, isUnknownHost } from "../http/transport-error.ts";

/** Bytes, whatever the caller asks for: to make one JSON of a longer body would delay every other client. */
export const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;

const IN_DOUBT = " Whether the request took effect is not known.";

/** The request that failed. */
interface FailedRequest {
  credential: string;
  url: URL;
  method: string;
  signal: Cancellation;
  timeoutMs: number;
  maxBytes: number;
}

/** Returns a failure as the caller gets it. It names no more of the URL than the host, as the rest may hold secrets. */
export function toRequestError(error: unknown, request: FailedRequest): AuthdError {
  const { credential, url, signal } = request;
  const { host } = url;
  const because = (reason: AuthdError["reason"], what: string) =>
    new AuthdError(reason, `${credential}: ${what}`, { credential });
  if (signal.aborted) {
    const { reason } = signal;
    if (reason instanceof AuthdError) return reason;
    return because("cancelled", `the request to ${host} was taken back`);
  }
  if (error instanceof AuthdError) return error;
  if (error instanceof TooLarge) {
    const what = `the answer of ${host} has more than ${request.maxBytes} bytes: raise maxResponseBytes (${MAX_RESPONSE_BYTES} at most) or use stream`;
    return because("response_too_large", what);
  }
  if (error instanceof UnusableContent)
    return because("request_failed", `${host} ${error.message}`);
  if (timedOut(error)) {
    const tooLate = `${host} did not answer completely within ${request.timeoutMs} ms`;
    return because("timeout", neverSent(error) ? explainNetworkError(error, url) : tooLate);
  }
  const isCertain = neverSent(error) || SAFE_METHODS.has(request.method);
  const what = explainNetworkError(error, url) + (isCertain ? "" : IN_DOUBT);
  const contact = { sent: !neverSent(error), answered: false, unknownHost: isUnknownHost(error) };
  return new AuthdError("request_failed", `${credential}: ${what}`, { credential, contact });
}
