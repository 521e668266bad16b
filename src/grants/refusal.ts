/** Decides what a response without a token means: who must act, and when to try again. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError, type IssuerContact } from "../errors.ts";
import type { OAuthProblem, Reason } from "../protocol.ts";
import { findCondition } from "./answer-condition.ts";
import { describeOAuthProblem, isPage, reasonIn } from "./answer-reason.ts";
import { endpointOf } from "./endpoint.ts";
import type { AcquireContext, IssuerResponse } from "./grant.ts";
import { jsonErrorText } from "./json-error.ts";
import { type Concealed, hiddenIn, oauthProblem } from "./oauth-problem.ts";

const ANSWERED: IssuerContact = { sent: true, answered: true };

/** Facts that decide about a response, besides the response itself. */
export type AnswerContext = Pick<
  AcquireContext<unknown>,
  "credential" | "secrets" | "held" | "rejectedOn" | "now" | "lifetime" | "signsIn"
> & {
  /** True if the secret that was sent is a refresh token. */
  refreshing?: boolean;
  /** True if the token has to be bound to a key (DPoP). */
  isBound?: boolean;
  /** The key of the credential file that holds the address, for messages. */
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
  /** Spring's code for an expired refresh token. */
  invalid_token: { login: true },
  /** Auth0: a password alone is not enough. */
  mfa_required: { login: false },
  /** GitHub, both with status 200. */
  bad_refresh_token: { login: true },
  incorrect_client_credentials: { login: false },
};

/** Temporary errors, also in a response that looks like success. */
const TRANSIENT = new Set(["temporarily_unavailable", "server_error", "slow_down"]);

/** Temporary statuses of 4xx. */
const TRANSIENT_STATUSES = new Set([408, 425, 429]);

/** Statuses with which APIs refuse a secret in JSON of their own, beside 2xx. A 401 refuses in any form. */
const REFUSING_STATUSES = new Set([400, 422]);

/**
 * Returns the error for a response without a token. Waiting statuses (429, 503) count first: a rate limit that
 * calls itself invalid_request is still a rate limit. Then RFC 6749 errors, whatever the status; then answers
 * with which the API is known to refuse secrets (`rejected_on`). A 401, or an error in JSON of the API's own, is a refusal
 * only if it is repeated (`contact.refusal`).
 */
export function toRefusalError(response: IssuerResponse, context: AnswerContext): AuthdError {
  const { status } = response;
  const oauth = oauthProblem(response, context);
  const row = oauth && Object.hasOwn(TERMINAL, oauth.error) ? TERMINAL[oauth.error] : undefined;
  const hint = whitespaceHint(context.secrets);
  const waiting = status === 429 || status === 503 || TRANSIENT.has(oauth?.error ?? "");
  if (!waiting && row) {
    return toFailure(
      response,
      context,
      row.login && context.refreshing ? "login_required" : "credential_rejected",
      {
        what: `the issuer answered ${describeOAuthProblem(oauth!)}${hint}.`,
        contact: { ...ANSWERED, refusal: quote(response, context, oauth) + hint },
        oauth: oauth!,
      },
    );
  }
  const listed = isListed(response, context, waiting);
  if (listed || (!waiting && saysRefused(response, context))) {
    const refusal = quote(response, context, oauth) + hint;
    return toFailure(response, context, listed ? "credential_rejected" : "issuer_unavailable", {
      what: `the issuer refused what was sent (${refusal}).`,
      contact: { ...ANSWERED, refusal },
      ...omitUndefined({ oauth }),
    });
  }
  return unavailable(response, context, oauth);
}

/** True for a 401 of any kind, and for an error in the JSON of a 2xx, 400 or 422 answer without a token. */
export function saysRefused(response: IssuerResponse, concealed: Concealed): boolean {
  const { status } = response;
  if (status === 401) return true;
  if (!(status >= 200 && status < 300) && !REFUSING_STATUSES.has(status)) return false;
  const isError = jsonErrorText(response, concealed) !== undefined;
  return isError || oauthProblem(response, concealed) !== undefined;
}

/** True if the credential file says that an answer of 2xx refuses the secrets. */
export function isRejected(response: IssuerResponse, { rejectedOn }: AnswerContext): boolean {
  return findCondition(rejectedOn, response) !== undefined;
}

/** True if `rejected_on` lists the answer. A status that says "try again later" needs more than the status. */
function isListed(
  response: IssuerResponse,
  { rejectedOn }: AnswerContext,
  waiting: boolean,
): boolean {
  const counting = waiting ? rejectedOn.filter(({ body, header }) => body ?? header) : rejectedOn;
  return findCondition(counting, response) !== undefined;
}

/** True if the issuer refused the secrets, finally or for now. */
export function isRefusal(error: unknown): error is AuthdError {
  if (!(error instanceof AuthdError)) return false;
  return error.reason === "credential_rejected" || error.contact?.refusal !== undefined;
}

/** Returns the error for a success status without a usable token: the refresh token may be spent. */
export function unusableAnswer(
  response: IssuerResponse,
  context: AnswerContext,
  what: string,
): AuthdError {
  const contact = { sent: true, answered: false, lasting: true };
  return toFailure(response, context, "issuer_unavailable", { what, contact });
}

function unavailable(
  response: IssuerResponse,
  context: AnswerContext,
  oauth: OAuthProblem | undefined,
): AuthdError {
  const { status } = response;
  const retryAfterMs = readRetryAfterMs(response, context.now);
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
  return toFailure(response, context, "issuer_unavailable", {
    what: `the issuer answered ${quote(response, context, oauth)}${page}.${hint}`,
    contact: {
      sent: true,
      answered: status !== 502 && status !== 504,
      ...(blocked && { blocked }),
      ...(lasting && { lasting }),
      ...(isBusy && { busy: true }),
    },
    ...omitUndefined({ oauth, retryAfterMs }),
  });
}

/** Returns the status, and the response's own words. */
function quote(
  response: IssuerResponse,
  concealed: Concealed,
  oauth: OAuthProblem | undefined,
): string {
  const status = `HTTP ${response.status}`;
  if (oauth) return `${describeOAuthProblem(oauth)}, ${status}`;
  const reason = reasonIn(response, concealed);
  return reason ? `${status}: ${reason}` : status;
}

interface Failure {
  what: string;
  contact: IssuerContact;
  oauth?: OAuthProblem;
  retryAfterMs?: number;
}

const TRIES_AGAIN = "authd tries again by itself.";

type Advice = (credential: string, signsIn: boolean) => string;

const ADVICE: Partial<Record<Reason, Advice>> = {
  login_required: (name, signsIn) =>
    signsIn
      ? `Sign in again: authd login ${name}`
      : `Sign in again and enter the new refresh token with: authd set ${name}`,
  credential_rejected: (name) =>
    `Check its settings and enter its secrets again with: authd set ${name} (as it is, once more: authd refresh ${name})`,
};

function toFailure(
  response: IssuerResponse,
  context: AnswerContext,
  reason: Reason,
  { what, ...details }: Failure,
): AuthdError {
  const { credential, signsIn = false } = context;
  const advice = ADVICE[reason];
  const next = advice?.(credential, signsIn) ?? TRIES_AGAIN;
  const { url } = response;
  const endpoint = url === undefined ? undefined : endpointOf(url, hiddenIn(response, context));
  const from = endpoint === undefined ? "" : ` from ${endpoint}`;
  return new AuthdError(reason, `"${credential}" got no token${from}: ${what} ${next}`, {
    credential,
    ...omitUndefined({ endpoint }),
    ...details,
  });
}

/** Returns what to say of secrets with white space around them, as a file or a copied line leaves it; "" if there are none. */
function whitespaceHint(secrets: AnswerContext["secrets"]): string {
  const hints = Object.entries(secrets).flatMap(([name, secret]) => {
    // A key file ends in a line break.
    if (secret === secret.trim() || secret.startsWith("-----BEGIN")) return [];
    return [
      /[\r\n]$/.test(secret) ? `${name} ends in a line break` : `${name} has white space around it`,
    ];
  });
  if (hints.length === 0) return "";
  return `; ${hints.join(" and ")}, which is sent as it is: enter it without, unless it belongs there`;
}

/** Returns Retry-After (RFC 9110 section 10.2.3) in ms, from seconds or a date, which counts on the issuer's own clock. */
function readRetryAfterMs({ headers, sentAt }: IssuerResponse, now: number): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(value)) return Math.min(Number(value) * 1000, Number.MAX_SAFE_INTEGER);
  // Date.parse takes far more than HTTP dates: "-1" is a day in 2001.
  const at = /^[A-Za-z]{3,9},? /.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) return undefined;
  // Cut to whole seconds, as `at` may have been.
  const then = sentAt ? Math.floor(sentAt.earliest / 1000) * 1000 : now;
  return Math.max(0, at - then);
}
