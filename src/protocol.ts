/**
 * The wire contract: JSON-RPC 2.0 over the socket, in lines or in the LSP base protocol.
 * Written for readers in any language; docs/protocol.md says the same with examples.
 * Params are objects; absent params mean {}; unknown members are ignored.
 */
import * as z from "./zod.ts";

export const PROTOCOL_VERSION = 1;
/** Bytes; a longer request frame closes the connection. */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024;
export const DEFAULT_TIMEOUT_MS = 30_000;
export const DEFAULT_MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** Why a request failed: `error.data.reason`. Programs decide by this, never by the message. */
export type Reason =
  | "invalid_params"
  | "unknown_credential"
  | "login_required"
  | "credential_rejected"
  | "credential_changed"
  | "credential_damaged"
  | "origin_not_allowed"
  | "caller_not_allowed"
  | "token_not_exposed"
  | "vault_locked"
  | "issuer_unavailable"
  | "timeout"
  | "too_busy"
  | "shutting_down"
  | "request_failed"
  | "request_too_large"
  | "response_too_large"
  | "cancelled"
  | "internal";

/** What an issuer said (RFC 6749 section 5.2); `status` is its HTTP status. */
export interface OAuthProblem {
  error: string;
  error_description?: string;
  status: number;
}

/** `error.data` of every error that is not JSON-RPC's own. */
export interface ErrorData {
  reason: Reason;
  credential?: string;
  retryAfterMs?: number;
  oauth?: OAuthProblem;
}

export type State =
  | "idle"
  | "ready"
  | "refreshing"
  | "failing"
  | "login_required"
  | "rejected"
  | "changed"
  | "damaged"
  | "locked";

/** All times are milliseconds since the epoch. */
export interface CredentialInfo {
  name: string;
  grant: string;
  preset?: string;
  state: State;
  /** Null: no token, or the issuer told no lifetime. */
  expiresAt: number | null;
  refreshAt: number | null;
  retryAt?: number;
  lastRefreshAt?: number;
  refreshCount: number;
  failureCount: number;
  lastError?: { reason: Reason; message: string; at: number };
  origins: string[];
  /** The day (YYYY-MM-DD) on which the secret itself runs out. */
  secretExpires?: string;
}

export interface GetTokenResult {
  accessToken: string;
  tokenType: string;
  expiresAt: number | null;
  scope?: string;
  /** Every header that the API wants, names in lower case, ready to send. */
  headers: Record<string, string>;
}

export interface AuthorizedResponse {
  status: number;
  statusText: string;
  /** After redirects. */
  url: string;
  /** Names in lower case; `set-cookie` is always an array. */
  headers: Record<string, string | string[]>;
  /** Exactly one of `body` and `bodyBase64`, unless the answer was streamed. */
  body?: string;
  bodyBase64?: string;
  /** The token was renewed on the way, after a 401. */
  refreshed: boolean;
}

export interface InitializeResult {
  serverName: string;
  serverVersion: string;
  protocolVersion: typeof PROTOCOL_VERSION;
  methods: string[];
}

export interface TestResult {
  ok: boolean;
  /** False: the credential has no `verify` request, so only the token was tried. */
  verified: boolean;
  status?: number;
  detail: string;
}

export interface StatusResult {
  version: string;
  pid: number;
  startedAt: number;
  socket: string;
  vaultKey: string;
  credentials: number;
  connections: number;
  pendingRefreshes: number;
}

export interface ReloadResult {
  changed: string[];
  errors: { file: string; message: string }[];
}

const text = z.string();
const count = z.int().nonnegative();
/** Milliseconds; more than a day is a mistake. */
const timeoutMs = z.int().min(1).max(86_400_000);
const credential = z.object({ credential: text });

/** One row a method: the shape of its params. Unknown members are dropped. */
export const params = {
  initialize: z.object({ clientName: text.optional(), clientVersion: text.optional() }),
  getToken: z.object({
    credential: text,
    /** Seconds that the token must still be valid for. */
    minValidity: z.number().nonnegative().optional(),
    scope: text.optional(),
    audience: text.optional(),
    forceRefresh: z.boolean().optional(),
    /** Renew only if this is still the current token. */
    rejectedToken: text.optional(),
    timeoutMs: timeoutMs.optional(),
  }),
  authorizedRequest: z.object({
    credential: text,
    url: text,
    method: text.optional(),
    headers: z.record(text, text).optional(),
    body: text.optional(),
    bodyBase64: text.optional(),
    timeoutMs: timeoutMs.optional(),
    maxResponseBytes: count.optional(),
    stream: z.boolean().optional(),
  }),
  "credentials/add": z.object({
    name: text,
    preset: text.optional(),
    grant: text.optional(),
    settings: z.record(text, z.json()).default({}),
    secrets: z.record(text, text).default({}),
    replace: z.boolean().optional(),
    register: z.boolean().optional(),
  }),
  "credentials/set": z.object({
    credential: text,
    settings: z.record(text, z.json()).optional(),
    secrets: z.record(text, text).optional(),
  }),
  "credentials/trust": credential,
  "credentials/refresh": credential,
  "credentials/show": credential,
  "credentials/test": credential,
  "credentials/remove": credential,
  "credentials/list": z.object({}),
  status: z.object({}),
  reload: z.object({}),
  subscribe: z.object({ credential: text.optional() }),
  unsubscribe: z.object({ credential: text.optional() }),
  shutdown: z.object({}),
} as const;

export type Method = keyof typeof params;
/** What a caller writes. */
export type ParamsOf<M extends Method> = z.input<(typeof params)[M]>;
/** What a handler gets: defaults filled in. */
export type CheckedParams<M extends Method> = z.output<(typeof params)[M]>;

export interface Results {
  initialize: InitializeResult;
  getToken: GetTokenResult;
  authorizedRequest: AuthorizedResponse;
  "credentials/add": CredentialInfo;
  "credentials/set": CredentialInfo;
  "credentials/trust": CredentialInfo;
  "credentials/refresh": CredentialInfo;
  "credentials/show": CredentialInfo;
  "credentials/test": TestResult;
  "credentials/remove": Record<string, never>;
  "credentials/list": { credentials: CredentialInfo[] };
  status: StatusResult;
  reload: ReloadResult;
  subscribe: Record<string, never>;
  unsubscribe: Record<string, never>;
  shutdown: Record<string, never>;
}

/** What the daemon sends unasked: the first two after `subscribe`, the others for `stream: true`. */
export interface Notifications {
  "token/refreshed": { credential: string; expiresAt: number | null };
  "credential/stateChanged": { credential: string; state: State; reason?: Reason };
  "response/head": {
    id: string | number;
    status: number;
    statusText: string;
    headers: Record<string, string | string[]>;
    url: string;
  };
  /** `data` is base64, padded. */
  "response/chunk": { id: string | number; data: string };
}
