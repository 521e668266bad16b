import { constants } from "node:os";
import type { OAuthProblem, Reason } from "./protocol.ts";

/** The progress of a failed token request, which decides whether a rotating refresh token may have been spent. */
export interface IssuerContact {
  /** False only if it is certain that no byte of the request left this machine. */
  sent: boolean;
  /** A complete response that could be understood was received. */
  answered: boolean;
  /** There is no such host: its name can't be looked up. */
  unknownHost?: boolean;
  /** A 403 that is no OAuth error (a firewall's page): wait long before trying again. */
  blocked?: boolean;
  /** The issuer's words of refusal, and what may be wrong with a secret, fit to be shown. Without a terminal reason three refusals in a row are final. */
  refusal?: string;
  /** The issuer was too busy (503, 429), and has not looked at the request. */
  busy?: boolean;
  /** Another try will hardly change the response (404, a redirect, a page): retries back off to an hour. */
  lasting?: boolean;
}

export interface AuthdErrorDetails {
  credential?: string;
  /** Milliseconds from now before another try makes sense. */
  retryAfterMs?: number;
  oauth?: OAuthProblem;
  /** Host and path that a token request was sent to, fit to be shown. */
  endpoint?: string;
  /** Set only by grants and by requests to an API. */
  contact?: IssuerContact;
  /** Never an object that carries a response body: it could hold a token. */
  cause?: unknown;
}

/**
 * The one error type. `message` says what happened, to which credential and what to do next;
 * `reason` is the contract (see protocol.ts). Neither ever holds a secret or a token.
 */
export class AuthdError extends Error {
  override readonly name: string = "AuthdError";
  readonly reason: Reason;
  readonly credential: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly oauth: OAuthProblem | undefined;
  readonly endpoint: string | undefined;
  readonly contact: IssuerContact | undefined;

  constructor(reason: Reason, message: string, details: AuthdErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.reason = reason;
    this.credential = details.credential;
    this.retryAfterMs = details.retryAfterMs;
    this.oauth = details.oauth;
    this.endpoint = details.endpoint;
    this.contact = details.contact;
  }
}

/** Returns the message of a caught value, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Returns the code of a caught error, as of a file system's or a socket's ("ENOENT"), if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errno } = error as NodeJS.ErrnoException;
  // Node has no name for this one: "Unknown system error -122".
  if (errno !== undefined && errno === -constants.errno.EDQUOT) return "EDQUOT";
  return typeof code === "string" ? code : undefined;
}
