import type { TimeStep } from "../base/totp.ts";
import type * as z from "../base/zod.ts";
import type { LoginFlow } from "../protocol.ts";
import type { AnswerCondition } from "./answer-condition.ts";
import type { Dpop } from "./dpop.ts";
import type { LifetimeSetting } from "./lifetime-setting.ts";

/** A request to an issuer, whose whole response the sender reads, decodes and limits. */
export interface IssuerRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** The key of the credential file that holds the address, for messages: `token_url`. */
  urlKey?: string;
  /** True if it is sent again when a kept-alive connection broke without a byte of a response. */
  repeatable?: boolean;
  /** True if a redirect is an answer to read, not a mistake. It is never followed. */
  readsRedirects?: boolean;
  /** True if the path holds values that no message may show; then messages name the host alone. */
  hidesPath?: boolean;
  /** Further values that no message may show: made or taken on the way to this request. */
  hidden?: readonly string[];
}

/** The issuer's wall clock at one moment, ms since the epoch. */
export interface IssuerTime {
  /** The earliest time that it can show. */
  earliest: number;
  /** The time that `exp` is compared with. */
  assumed: number;
}

export interface IssuerResponse {
  status: number;
  /** The address that was asked, without its path where that is hidden. It may hold secrets: see `endpointOf`. */
  url?: string;
  /** Names in lower case; repeated ones joined with ", ". */
  headers: Record<string, string>;
  /** The `set-cookie` headers, one an element; absent: there is none. */
  setCookies?: readonly string[];
  /** Without a byte order mark. */
  text: string;
  /** The issuer's time when the request was sent; absent: it has never told its time. */
  sentAt?: IssuerTime;
}

/** Rejects with an AuthdError `issuer_unavailable` that carries `contact`. */
export type SendToIssuer = (request: IssuerRequest) => Promise<IssuerResponse>;

/** Everything that a grant works with, for one request. */
export interface AcquireContext<Settings> {
  credential: string;
  settings: Settings;
  /** Values that templates may name: the preset's fields and the file's own [fields]. */
  fields: Readonly<Record<string, string>>;
  secrets: Readonly<Record<string, string>>;
  /** Tokens issued before, which no error may quote. */
  held: readonly string[];
  /** The caller's, which overrides the credential's own. */
  scope?: string;
  /** The caller's, which overrides the credential's own. */
  audience?: string;
  /** Answers with which this issuer refuses a secret, beside RFC 6749 errors. */
  rejectedOn: readonly AnswerCondition[];
  /** Puts right what the issuer says about its tokens' life. */
  lifetime?: LifetimeSetting | undefined;
  /** Wall clock, ms. */
  now: number;
  /** Wall clock, ms: the moment of the one-time code that this request may carry. Absent: `now`. */
  codeAt?: number;
  /** The key that the tokens are bound to; absent: they are bound to nothing. */
  dpop?: Dpop;
  /** True if a person signs in with `authd login`: what they are told when the issuer wants that again. */
  signsIn?: boolean;
  /** Seals the next value of the rotating secret, where more is sent before the token comes. */
  onRotated?: (secret: string) => Promise<void>;
  send: SendToIssuer;
}

/** A token from an issuer. */
export interface Acquired {
  accessToken: string;
  /** The token type as RFC 6750 spells it ("Bearer"), whatever case the issuer used. */
  tokenType: string;
  scope?: string;
  /** Seconds from the request on; "forever" for a static token; absent: the issuer did not tell. */
  expiresIn?: number | "forever";
  /** Seconds from the request on after which the issuer wants a refresh. */
  refreshIn?: number;
  /** The token's own `exp` and `iat` if it is a JWT: seconds since the epoch, on the issuer's clock. */
  jwt?: { exp?: number; iat?: number };
  /** The issuer's time when the request was sent (what `exp` is read against): ms since the epoch. */
  issuerSentAt?: number;
  /** Names that the issuer reports beside the token; for people. */
  identity?: Readonly<Record<string, string>>;
  refreshToken?: string;
  /** Seconds from the request on, after which a refresh token that was not used ends. */
  refreshExpiresIn?: number;
  /** Seconds from the request on, after which the refresh token ends in any case. */
  refreshHardExpiresIn?: number;
  /** What the issuer, or the credential file, says about these times, and can't be. */
  lifetimeFault?: LifetimeFault;
  /** Further values of the answer, by the names that the credential file gives them; absent: it keeps none. */
  kept?: Readonly<Record<string, string>>;
}

/** A lifetime that can't be read, or can't be. */
export interface LifetimeFault {
  /** Without the credential's name, and without a full stop. */
  message: string;
  /** The `key=value` that most likely mends it, for `authd set`. */
  set?: string;
}

/** Options of a TLS connection by which the server knows the client. */
export interface ClientCertificate {
  cert?: string;
  key?: string;
  pfx?: Buffer;
  passphrase?: string;
}

/** A named secret that a grant or preset asks for. */
export interface SecretField {
  name: string;
  optional: boolean;
  /** Text of the prompt. */
  label: string;
  hint?: string;
}

/** One way of obtaining tokens: stateless. A row of the table in index.ts. */
export interface Grant<Settings = unknown> {
  /** One line for a person who chooses a grant. */
  summary: string;
  /** The grant's own keys in a credential file. */
  schema: z.ZodMiniType<Settings>;
  secrets(settings: Settings): readonly SecretField[];
  /** Returns what is wrong with a secret that a person entered, as the end of a sentence; undefined: nothing. */
  whyUnfitSecret?(name: string, value: string): string | undefined;
  /** Returns where the secrets are sent, for the limit of requests to one host; undefined: nowhere. */
  issuerUrl(settings: Settings, fields: Readonly<Record<string, string>>): string | undefined;
  /** True if a caller may ask for a scope or an audience of its own. */
  acceptsTarget(settings: Settings): boolean;
  /** True if a token with a wider scope can be had without a person: the file says which (`step_up_scope`). */
  stepsUp?: boolean;
  /** Returns the name of the secret that the issuer may replace with each response; absent: there is none. */
  rotates?(settings: Settings): string | undefined;
  /** True if the rotating secret comes of a sign-in with the other secrets, and nobody enters it. */
  obtainsRotating?(settings: Settings): boolean;
  /** True if the API has words of its own for a rotating secret that is refused, beside OAuth's. */
  refusesInOwnWords?: boolean;
  /** How a person signs in (`authd login`), the usual way first; absent: secrets are entered instead. */
  signsIn?: readonly LoginFlow[];
  /** Identifies the one-time code that a request carries at this moment (wall clock, ms); undefined: it carries none. */
  timeStep?(
    settings: Settings,
    secrets: Readonly<Record<string, string>>,
    at: number,
  ): TimeStep | undefined;
  /**
   * Requests a token. Rejects with an AuthdError that carries `contact`: `login_required` or `credential_rejected`
   * when a person must act, otherwise `issuer_unavailable`. Its cause holds no response body.
   */
  acquire(context: AcquireContext<Settings>): Promise<Acquired>;
}
