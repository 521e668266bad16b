import type * as z from "../base/zod.ts";

/** One HTTP exchange with an issuer, whole: the body decoded, size- and time-limited by the sender. */
export interface IssuerRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** The key of the credential file that holds the address: `token_url`. For messages. */
  urlKey?: string;
  /** Whether it is sent again if a kept-alive connection broke without a byte of an answer. */
  repeatable?: boolean;
}

/** The issuer's wall clock at one moment, ms since the epoch. */
export interface IssuerTime {
  /** The least that it can show. */
  earliest: number;
  /** What `exp` is read against. */
  assumed: number;
}

export interface IssuerResponse {
  status: number;
  /** Names in lower case; repeated ones joined with ", ". */
  headers: Record<string, string>;
  /** Without a byte order mark. */
  text: string;
  /** The issuer's time when the request was sent; absent: it has never told its time. */
  sentAt?: IssuerTime;
}

/** Rejects with an AuthdError `issuer_unavailable` that carries `contact`. */
export type SendToIssuer = (request: IssuerRequest) => Promise<IssuerResponse>;

/** What a grant works with, for one try. */
export interface AcquireContext<Settings> {
  credential: string;
  settings: Settings;
  /** Values that templates may name: the preset's fields and the file's own [fields]. */
  fields: Readonly<Record<string, string>>;
  secrets: Readonly<Record<string, string>>;
  /** Tokens issued before, which no error may quote. */
  held: readonly string[];
  /** Overrides the credential's own. */
  scope?: string;
  audience?: string;
  /** HTTP statuses that this API uses to refuse a secret, beside RFC 6749 errors. */
  rejectedStatuses: readonly number[];
  /** Wall clock, ms. */
  now: number;
  /** Wall clock, ms: the moment of the one-time code that this request may carry. Absent: `now`. */
  codeAt?: number;
  send: SendToIssuer;
}

/** What the issuer gave. */
export interface Acquired {
  accessToken: string;
  /** As RFC 6750 spells it ("Bearer"), whatever case the issuer used. */
  tokenType: string;
  scope?: string;
  /** Seconds from the request on; "forever" for a static token; absent: not told. */
  expiresIn?: number | "forever";
  /** Seconds from the request on at which the issuer would like a renewal. */
  refreshIn?: number;
  /** The token's own `exp` and `iat` if it is a JWT: seconds since the epoch, on the issuer's clock. */
  jwt?: { exp?: number; iat?: number };
  /** The issuer's time when the request was sent (what `exp` is read against): ms since the epoch. */
  issuerSentAt?: number;
  refreshToken?: string;
  /** Seconds from the request on. */
  refreshExpiresIn?: number;
}

/** A named secret that a grant or preset asks for. */
export interface SecretField {
  name: string;
  optional: boolean;
  /** What the prompt says. */
  label: string;
  hint?: string;
}

/** Which one-time code the clock makes at some moment (RFC 6238 section 4), without the code. */
export interface TimeStep {
  /** The same for the same key, digits and period, however the secret is written. Secret itself. */
  key: string;
  /** One code holds for one step. */
  step: number;
  periodMs: number;
}

/** One way of obtaining tokens: stateless. A row of the table in index.ts. */
export interface Grant<Settings = unknown> {
  /** The grant's own keys in a credential file. */
  schema: z.ZodType<Settings>;
  secrets(settings: Settings): readonly SecretField[];
  /** Where the secrets go: for the cap of flights a host. Undefined: nowhere. */
  issuerUrl(settings: Settings, fields: Readonly<Record<string, string>>): string | undefined;
  /** Whether a caller may ask for a scope or an audience of its own. */
  acceptsTarget(settings: Settings): boolean;
  /** The secret that the issuer may replace with each answer. */
  rotates?: string;
  /** The one-time code that a request carries at this moment (wall clock, ms); undefined: none. */
  timeStep?(secrets: Readonly<Record<string, string>>, at: number): TimeStep | undefined;
  /**
   * Rejects with an AuthdError that carries `contact`: `login_required` or `credential_rejected`
   * when a person must act, otherwise `issuer_unavailable`. Its cause holds no response body.
   */
  acquire(context: AcquireContext<Settings>): Promise<Acquired>;
}
