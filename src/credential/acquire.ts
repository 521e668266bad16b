import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Moment, Timekeeper } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import type { Acquired, Grant } from "../grants/grant.ts";
import type { Http } from "../http/http.ts";
import { createIssuerSend } from "../http/issuer.ts";
import type { IssuerClocks } from "../http/issuer-clock.ts";
import type { TokenTarget } from "./record.ts";

/**
 * A request that spends a rotating refresh token is awaited until its connection ends, or so long (ms):
 * given up sooner, its answer would be lost, and the next request would look like a reuse.
 */
export const SPENDING_TIMEOUT_MS = 120_000;
/** Any other token request, ms. */
export const TOKEN_TIMEOUT_MS = 10_000;

/** What one successful token request brought, and when. */
export interface TokenResponse {
  acquired: Acquired;
  sent: Moment;
  answered: Moment;
}

export interface TokenRequest {
  settings: CredentialSettings;
  grant: Grant;
  secrets: Readonly<Record<string, string>>;
  /** Tokens issued before, which no error may quote. */
  held: readonly string[];
  target: TokenTarget;
  /** Wall clock, ms: the moment of the one-time code that the request carries; undefined: none. */
  codeAt?: number | undefined;
  http: Http;
  time: Timekeeper;
  issuerClocks: IssuerClocks;
  clock: Clock;
}

/** One token request. Rejects with an AuthdError that carries `contact`. */
export async function acquire(given: TokenRequest): Promise<TokenResponse> {
  const {
    settings,
    grant,
    secrets,
    held,
    target: want,
    codeAt,
    http,
    time,
    issuerClocks,
    clock,
  } = given;
  const spends = grant.rotates !== undefined;
  const send = createIssuerSend({
    http,
    credential: settings.name,
    allowInsecureHttp: settings.allowInsecureHttp,
    // On a reused connection, that its server may have closed unheard, the token could be lost, and
    // the request would be repeated with the same code.
    freshConnection: spends || codeAt !== undefined,
    clocks: issuerClocks,
    timeoutMs: spends ? SPENDING_TIMEOUT_MS : TOKEN_TIMEOUT_MS,
    clock,
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
  });
  const sent = time.now();
  const acquired = await grant.acquire({
    credential: settings.name,
    settings: settings.own,
    fields: settings.fields,
    secrets,
    held,
    ...want,
    rejectedStatuses: settings.rejectedStatuses,
    now: sent.wall,
    ...(codeAt === undefined ? {} : { codeAt }),
    send,
  });
  return { acquired, sent, answered: time.now() };
}

/** The request went out and no complete answer came back: the issuer may have spent the refresh token. */
export function isAnswerLost(error: unknown): boolean {
  return error instanceof AuthdError && error.contact?.sent === true && !error.contact.answered;
}

/** Digest of all that a token depends on, but for secrets: one obtained otherwise is not to be used. */
export function acquisitionDigest({ grant, own, fields, ca, ttl }: CredentialSettings): string {
  return createHash("sha256")
    .update(JSON.stringify([grant, own, fields, ca, ttl]))
    .digest("base64url");
}
