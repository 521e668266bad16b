/** What an issuer's refusal means: who must act, and when another try makes sense. */
import { AuthdError, type IssuerContact } from "../errors.ts";
import type { OAuthProblem, Reason } from "../protocol.ts";
import type { AcquireContext, IssuerResponse } from "./grant.ts";
import { issuerWords } from "./issuer-words.ts";
import { type Concealed, oauthProblem } from "./oauth-problem.ts";

const ANSWERED: IssuerContact = { sent: true, answered: true };

/** What else decides about an answer, besides the answer itself. */
export type AnswerContext = Pick<
  AcquireContext<unknown>,
  "credential" | "secrets" | "held" | "rejectedStatuses" | "now"
> & {
  /** The secret that was spent is a refresh token. */
  refreshing?: boolean;
  /** The key of the credential file that holds the address. */
  urlKey: string;
};

/**
 * Errors that stay until a person acts: of RFC 6749 section 5.2, RFC 8707 and OpenID Connect, then
 * of single issuers. `login`: on a refresh token they mean that the person must sign in again.
 */
const TERMINAL: Record<string, { login: boolean }> = {
  invalid_client: { login: false },
  unauthorized_client: { login: false },
  invalid_grant: { login: true },
  invalid_request: { login: false },
  invalid_scope: { login: false },
  invalid_target: { login: false },
  unsupported_grant_type: { login: false },
  access_denied: { login: true },
  login_required: { login: true },
  consent_required: { login: true },
  interaction_required: { login: true },
  /** Spring's word for a refresh token that ran out. */
  invalid_token: { login: true },
  /** Auth0: a password alone won't do. */
  mfa_required: { login: false },
  /** GitHub, both with status 200. */
  bad_refresh_token: { login: true },
  incorrect_client_credentials: { login: false },
};

/** Codes that say "not now", also in an answer that looks like success. */
const TRANSIENT = new Set(["temporarily_unavailable", "server_error", "slow_down"]);

/** Statuses of 4xx that say "not now". */
const TRANSIENT_STATUSES = new Set([408, 425, 429]);

/** Statuses with which APIs refuse a secret in JSON of their own, beside 2xx. A 401 refuses in any form. */
const REFUSING_STATUSES = new Set([400, 422]);

/**
 * The error for an answer that brought no token. Waiting statuses (429, 503) come first: a rate limit
 * that calls itself invalid_request is still a rate limit. Then RFC 6749 errors, whatever the
 * status; then statuses that the API is known to refuse secrets with. A 401, or an error in JSON of
 * the API's own, is a refusal only if it comes again and again (`contact.refusal`).
 */
export function toRefusalError(response: IssuerResponse, context: AnswerContext): AuthdError {
  const { status } = response;
  const oauth = oauthProblem(response, context);
  const row = oauth && Object.hasOwn(TERMINAL, oauth.error) ? TERMINAL[oauth.error] : undefined;
  const waiting = status === 429 || status === 503 || TRANSIENT.has(oauth?.error ?? "");
  if (!waiting && row) {
    return toFailure(
      context,
      row.login && context.refreshing ? "login_required" : "credential_rejected",
      {
        what: `the issuer answered ${describeOAuthProblem(oauth!)}.`,
        contact: { ...ANSWERED, refusal: said(response, context, oauth) },
        oauth: oauth!,
      },
    );
  }
  const listed = context.rejectedStatuses.includes(status);
  if (!waiting && (listed || saysRefused(response, context))) {
    const refusal = said(response, context, oauth);
    return toFailure(context, listed ? "credential_rejected" : "issuer_unavailable", {
      what: `the issuer refused what was sent (${refusal}).`,
      contact: { ...ANSWERED, refusal },
      ...(oauth && { oauth }),
    });
  }
  return unavailable(response, context, oauth);
}

/** True for a 401 of any kind, and for an error in the JSON of a 2xx, 400 or 422 answer without a token. */
export function saysRefused(response: IssuerResponse, concealed: Concealed): boolean {
  const { status } = response;
  if (status === 401) return true;
  if (!(status >= 200 && status < 300) && !REFUSING_STATUSES.has(status)) return false;
  const isError = issuerWords(response, concealed) !== undefined;
  return isError || oauthProblem(response, concealed) !== undefined;
}

/** True if the issuer refused what was sent, for good or not yet. */
export function isRefusal(error: unknown): error is AuthdError {
  if (!(error instanceof AuthdError)) return false;
  return error.reason === "credential_rejected" || error.contact?.refusal !== undefined;
}

/** A success status without a token that can be used: the refresh token may be spent. */
export function unusableAnswer(context: AnswerContext, what: string): AuthdError {
  const contact = { sent: true, answered: false, lasting: true };
  return toFailure(context, "issuer_unavailable", { what, contact });
}

function unavailable(
  response: IssuerResponse,
  context: AnswerContext,
  oauth: OAuthProblem | undefined,
): AuthdError {
  const { status } = response;
  const retryAfterMs = retryAfter(response, context.now);
  const isTransient = TRANSIENT.has(oauth?.error ?? "") || TRANSIENT_STATUSES.has(status);
  const isBusy = isTransient || status === 503;
  const blocked = status === 403 && !isTransient;
  const lasting = status < 500 && !blocked && !isTransient;
  const page = isPage(response) ? " with a page for people" : "";
  const hint = blocked
    ? " Something in front of it may be blocking this machine."
    : lasting
      ? ` Check ${context.urlKey}.`
      : "";
  return toFailure(context, "issuer_unavailable", {
    what: `the issuer answered ${said(response, context, oauth)}${page}.${hint}`,
    contact: {
      ...{ sent: true, answered: status !== 502 && status !== 504 },
      ...(blocked && { blocked }),
      ...(lasting && { lasting }),
      ...(isBusy && { busy: true }),
    },
    ...(oauth && { oauth }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** The status, and what the answer says in words. */
function said(
  response: IssuerResponse,
  concealed: Concealed,
  oauth: OAuthProblem | undefined,
): string {
  const status = `HTTP ${response.status}`;
  if (oauth) return `${describeOAuthProblem(oauth)}, ${status}`;
  const words = issuerWords(response, concealed);
  return words ? `${status}: "${words}"` : status;
}

interface Failure {
  what: string;
  contact: IssuerContact;
  oauth?: OAuthProblem;
  retryAfterMs?: number;
}

const TRIES_AGAIN = "authd tries again by itself.";

type Advice = (credential: string) => string;

const ADVICE: Partial<Record<Reason, Advice>> = {
  login_required: (name) => `Sign in again and enter the new refresh token with: authd set ${name}`,
  credential_rejected: (name) =>
    `Check its settings and enter its secrets again with: authd set ${name} (as it is, once more: authd refresh ${name})`,
};

function toFailure(
  context: Pick<AnswerContext, "credential">,
  reason: Reason,
  { what, ...details }: Failure,
): AuthdError {
  const { credential } = context;
  const advice = ADVICE[reason];
  const next = advice?.(credential) ?? TRIES_AGAIN;
  return new AuthdError(reason, `"${credential}" got no token: ${what} ${next}`, {
    credential,
    ...details,
  });
}

function describeOAuthProblem({ error, error_description }: OAuthProblem): string {
  return error_description === undefined ? error : `${error} ("${error_description}")`;
}

/** HTML, by its type or by its looks. */
export function isPage({ headers, text }: IssuerResponse): boolean {
  return (
    /^\s*text\/html/i.test(headers["content-type"] ?? "") ||
    /^\s*<(!doctype|html|head|body|\?xml)/i.test(text)
  );
}

/** Retry-After (RFC 9110 section 10.2.3), as seconds or a date; a date is read on the issuer's own clock. */
function retryAfter({ headers, sentAt }: IssuerResponse, now: number): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(value)) return Math.min(Number(value) * 1000, Number.MAX_SAFE_INTEGER);
  // Date.parse takes far more than HTTP dates: "-1" is a day in 2001.
  const at = /^[A-Za-z]{3,9},? /.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) return undefined;
  // In whole seconds, as `at` is: it may have been cut.
  const then = sentAt ? Math.floor(sentAt.earliest / 1000) * 1000 : now;
  return Math.max(0, at - then);
}
