/**
 * The wire contract: JSON-RPC 2.0 over the socket, in lines or in the LSP base protocol.
 * Written for readers in any language; docs/protocol.md says the same with examples.
 * Params are objects; absent params mean {}; unknown members are ignored.
 */
import { type Id, isId, isTooLong, MAX_ID_BYTES } from "./base/json-text.ts";
import * as z from "./base/zod.ts";

export const PROTOCOL_VERSION = 1;
/** Bytes; a longer request frame closes the connection. */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024;
/** JSON tokens (RFC 8259 section 2) of one request frame; one more closes the connection. */
export const MAX_FRAME_TOKENS = 10_000;
/** Bytes that one notification carries in base64: with all around them, a line stays below 64 KiB. */
export const MAX_CHUNK_BYTES = 45 * 1024;
/** Arrays and objects inside one another; one more closes the connection. */
export const MAX_FRAME_DEPTH = 64;
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

/** One (scope, audience) that programs asked for beside the credential's own. */
export interface VariantInfo {
  scope?: string;
  audience?: string;
  /** Null: no token, or the issuer told no lifetime. */
  expiresAt: number | null;
  acquiredAt?: number;
  refreshAt: number | null;
  retryAt?: number;
  failuresInRow: number;
  lastAskedAt?: number;
  /** The issuer refuses it; others may still work. */
  refused?: string;
}

/**
 * What the disk does not take: it is served from memory, tried again and again, and lost if the
 * daemon ends before. `atRisk`: secrets (a refresh token that was rotated: without it a person must
 * enter another), or only tokens, which can be obtained again.
 */
export interface Unsaved {
  since: number;
  atRisk: "secrets" | "tokens";
  /** Why, and what to do. */
  message: string;
}

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
  /** How long the last refresh took, from the request to the whole answer. */
  lastRefreshMs?: number;
  refreshCount: number;
  /** Since the daemon's start. */
  failureCount: number;
  /** Without a success in between. */
  failuresInRow?: number;
  lastError?: { reason: Reason; message: string; at: number };
  /** When the token that is handed out now was obtained. */
  acquiredAt?: number;
  /** When a program last asked for a token. */
  lastAskedAt?: number;
  /** When the refresh token itself runs out, where the issuer told. */
  refreshTokenExpiresAt?: number;
  /** What could not be written to the disk, and is kept in memory only: why, and since when. */
  unsaved?: Unsaved;
  /**
   * Secrets that were entered while those in force work: they take their place once the issuer has
   * taken them. `message`: why it has not.
   */
  candidate?: { enteredAt: number; state: State; message?: string };
  /** Tokens for scopes and audiences beside its own. */
  tokens?: VariantInfo[];
  origins: string[];
  /** Who may use it, and how; absent: every program of the daemon's own user. For that user only. */
  policy?: PolicyInfo;
  /** The day (YYYY-MM-DD) on which the secret itself runs out. */
  secretExpires?: string;
}

/** What limits a credential: of its rules the names, in the order in which they count. */
export interface PolicyInfo {
  expose: "token" | "request";
  confirm?: string;
  methods?: string[];
  paths?: string[];
  allow: string[];
  deny: string[];
  /** Which rules match no program as they stand, and why. */
  warnings?: string[];
}

/** Why a person must act. */
export type ProblemReason =
  | "login_required"
  | "credential_rejected"
  | "credential_changed"
  | "credential_damaged"
  | "vault_locked"
  | "manifest"
  | "audit"
  | "unsaved"
  | "secret_expires";

/** What needs a person. */
export interface Problem {
  /** Absent: it concerns all of them, as a locked vault does. */
  credential?: string;
  reason: ProblemReason;
  message: string;
  /** What helps, most often a command. */
  help: string;
}

/** What can happen, as docs/protocol.md explains it. */
export type EventKind =
  | "started"
  | "stopping"
  | "reloaded"
  | "clock_jumped"
  | "vault_locked"
  | "vault_unlocked"
  | "manifest_rebuilt"
  | "added"
  | "set"
  | "trusted"
  | "removed"
  | "refreshed"
  | "refresh_failed"
  | "issuer_back"
  | "state"
  | "unsaved"
  | "sealed"
  | "audit_failed"
  | "audit_written"
  | "problem"
  | "resolved";

/** One thing that happened. Which members there are beside the first ones depends on `kind`. */
export interface DaemonEvent {
  /** Grows by one with each event since the daemon's start. */
  seq: number;
  at: number;
  kind: EventKind;
  credential?: string;
  state?: State;
  /** The state before, a renewal under way not counted. */
  before?: State;
  reason?: Reason | ProblemReason;
  /** For people; no secret, no token. */
  message?: string;
  /** Of the new token. */
  expiresAt?: number | null;
  /** There was no token before. */
  first?: true;
  /** How long it took, from the request to the whole answer. */
  tookMs?: number;
  /** When it is tried again. */
  retryAt?: number;
  /** Nothing is wrong: somebody wanted the vault locked, or it is from before there were manifests. */
  wanted?: true;
}

/** What happened, before it is numbered. */
export type EventPayload = Omit<DaemonEvent, "seq" | "at">;

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
  /** Of a streamed answer: bytes of its body, and in how many `response/chunk` they went out. */
  bytes?: number;
  chunks?: number;
  /** The token was renewed on the way, after a 401. */
  refreshed: boolean;
}

export interface InitializeResult {
  serverName: string;
  serverVersion: string;
  protocolVersion: typeof PROTOCOL_VERSION;
  methods: string[];
  /** Of the Language Server Protocol there are none. */
  capabilities: Record<string, never>;
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
  /** Credentials that are in memory only; an older daemon does not tell. */
  unsaved?: string[];
  /** How many credentials are in each state; states that none is in are absent. */
  states: Partial<Record<State, number>>;
  /** What needs a person, and what helps. */
  problems: Problem[];
  /** How people and other programs are told; what is not configured is absent. */
  reporting: Reporting;
  /** Absent from an older daemon. */
  lock?: LockStatus;
  /** Where a person is asked: in a dialog, or by `authd approve`. */
  approvals?: "desktop" | "terminal";
}

/** Whether the vault is locked, and what locks it by itself. */
export interface LockStatus {
  locked: boolean;
  /** Why its key can't be had. */
  why?: string;
  /** Since when it is locked because somebody wanted that; absent: its key could not be found. */
  since?: number;
  /** It locks itself after so long (ms) without a use. */
  afterMs?: number;
  /** What else it is locked on, and why that does not work at the moment. */
  on: { event: "suspend" | "screen"; error?: string }[];
  /** Why it does not lock itself, although it is to. */
  problem?: string;
}

/** One way out, and why it does not work at the moment. */
export interface Outlet {
  /** A path or an address. */
  to: string;
  error?: string;
}

export interface Reporting {
  /** Whether the desktop is told. */
  notify: boolean;
  hook?: Outlet & { runs: number; failures: number };
  metricsFile?: Outlet;
  metricsListen?: Outlet;
}

/** How far the audit log goes, all written down that was asked before. */
export interface AuditHeadResult {
  mode: "on" | "off" | "required";
  path: string;
  /** The number of the last line, and of the oldest that is kept; 0: there is none. */
  n: number;
  first: number;
  /** SHA-256 of the last line, in hexadecimal. */
  hash: string;
  /** Lines that wait to be written. */
  waiting: number;
  /** What is wrong with it. */
  problem?: string;
}

export interface EventsResult {
  /** The oldest first. */
  events: DaemonEvent[];
  /** When the daemon started: nothing from before is known. */
  startedAt: number;
  /** How many since then are no longer kept. */
  dropped: number;
}

/** What an authorized request carries beside its method and path. */
export interface RequestDetails {
  /** With its `?`. */
  query?: string;
  /** Names of the headers that the caller gives. */
  headers?: string[];
  bodyBytes?: number;
  /** In hexadecimal. */
  bodySha256?: string;
}

/** A question that waits for a person. */
export interface PendingApproval {
  id: number;
  credential: string;
  kind: "token" | "request" | "change";
  /** In words, without any secret: `its token`, `GET https://api.example.com/v2`. */
  what: string;
  /** Of a request, what `what` leaves out. An answer of `once` is for exactly this. */
  request?: RequestDetails;
  /** The rule that wants it asked. */
  rule: string;
  /** Requests that wait for the answer. */
  count: number;
  /** Who asks: `/usr/bin/backup (process 4711)`. */
  program: string;
  /** That process, its parent, and so on. */
  processes: string[];
  script?: string;
  terminal?: string;
  unit?: string;
  container?: string;
  /** Why not all of it is known. */
  unknown?: string;
  since: number;
  /** No answer until then is a no. */
  expiresAt: number;
  choices: ApprovalAnswer[];
}

/** For how long a yes holds: `always` is written down as a rule. */
export type ApprovalAnswer = "once" | "process" | "hour" | "session" | "always" | "no";

export interface ReloadResult {
  changed: string[];
  errors: { file: string; message: string }[];
}

/** Something that does not work as it is; `message` says what to do. */
export interface VaultProblem {
  credential: string;
  message: string;
}

export interface ExportResult {
  /** Bytes that went out in `vault/chunk`. */
  bytes: number;
  /** Names. */
  credentials: string[];
  /** Of these, whose refresh token may be spent once only: one machine can use it, not two. */
  rotating: string[];
  /** What is not in the export, or not whole. */
  problems: VaultProblem[];
}

export interface ImportResult {
  /** Names, in which those that were replaced are included. */
  imported: string[];
  replaced: string[];
  rotating: string[];
  /** Imported as they are in the file, but not usable here. */
  problems: VaultProblem[];
}

export interface RekeyResult {
  vaultKey: string;
  /** How many records. */
  sealed: number;
  /** Names whose records could not be opened before either: left as they were. */
  damaged: string[];
}

const text = z.string();
const count = z.int().nonnegative();
/** Milliseconds; more than a day is a mistake. */
const timeoutMs = z.int().min(1).max(86_400_000);
const credential = z.object({ credential: text });
const streamToken = z.custom<Id>(
  (value) => isId(value) && !isTooLong(value),
  `expected a string or a number of at most ${MAX_ID_BYTES} bytes`,
);

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
    /** Comes back in every notification of this answer. */
    streamToken: streamToken.optional(),
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
    /** Puts what is entered, or waits to be tried, in force without trying it first. */
    force: z.boolean().optional(),
    /** Drops what waits to be tried. */
    discard: z.boolean().optional(),
  }),
  "credentials/trust": credential,
  "credentials/refresh": credential,
  "credentials/show": credential,
  "credentials/test": credential,
  "credentials/remove": credential,
  "credentials/list": z.object({}),
  status: z.object({}),
  reload: z.object({}),
  events: z.object({
    credential: text.optional(),
    /** Milliseconds since the epoch: none from before it. */
    since: z.number().optional(),
    /** At most so many, the newest. */
    limit: count.optional(),
  }),
  /** The export itself goes out as `vault/chunk` notifications before the result. */
  "vault/export": z.object({ passphrase: text }),
  /** A part of an export (base64), kept until the connection ends or has imported it. */
  "vault/upload": z.object({ data: text }),
  /** Imports what this connection has uploaded: all that is asked for, or nothing. */
  "vault/import": z.object({
    passphrase: text,
    replace: z.boolean().optional(),
    /** Names; all of them unless given. */
    only: z.array(text).optional(),
  }),
  "vault/rekey": z.object({
    to: z.enum(["keychain", "passphrase", "systemd-credential", "file"]),
    /** For `to: "passphrase"`. */
    passphrase: text.optional(),
  }),
  /** With `events` the notification `event`, with `approvals` the questions, instead of the first two. */
  subscribe: z.object({
    credential: text.optional(),
    events: z.boolean().optional(),
    approvals: z.boolean().optional(),
  }),
  unsubscribe: z.object({ credential: text.optional() }),
  "approvals/pending": z.object({}),
  "approvals/answer": z.object({
    id: z.int(),
    answer: z.enum(["once", "process", "hour", "session", "always", "no"]),
    /** The vault's, where it has one: what a program of the same user does not know. */
    passphrase: text.optional(),
  }),
  lock: z.object({
    /** Not now, but whenever the vault was not used for so long: until authd ends, or another is given. */
    afterMs: z.int().min(1_000).max(2_592_000_000).optional(),
  }),
  unlock: z.object({ passphrase: text.optional() }),
  "audit/head": z.object({}),
  /** Of this connection; with `daemon` of authd itself. */
  shutdown: z.object({ daemon: z.boolean().optional() }),
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
  events: EventsResult;
  reload: ReloadResult;
  "vault/export": ExportResult;
  "vault/upload": { received: number };
  "vault/import": ImportResult;
  "vault/rekey": RekeyResult;
  subscribe: Record<string, never>;
  unsubscribe: Record<string, never>;
  "approvals/pending": { approvals: PendingApproval[] };
  "approvals/answer": Record<string, never>;
  lock: { locked: boolean; afterMs?: number };
  unlock: Record<string, never>;
  "audit/head": AuditHeadResult;
  shutdown: Record<string, never>;
}

/** What the daemon sends unasked: the first three after `subscribe`, the others for `stream: true`. */
export interface Notifications {
  "token/refreshed": { credential: string; expiresAt: number | null };
  "credential/stateChanged": { credential: string; state: State; reason?: Reason };
  event: DaemonEvent;
  /** To those who have subscribed with `approvals`. */
  "approval/asked": PendingApproval;
  "approval/settled": { id: number; answer: ApprovalAnswer };
  "response/head": {
    id: string | number;
    status: number;
    statusText: string;
    headers: Record<string, string | string[]>;
    url: string;
    streamToken?: string | number;
  };
  /** `seq` counts the chunks of one answer from 0; `data` is base64, padded. */
  "response/chunk": {
    id: string | number;
    seq: number;
    data: string;
    streamToken?: string | number;
  };
  "vault/chunk": { id: string | number; data: string };
}
