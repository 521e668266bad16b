/**
 * The wire contract: JSON-RPC 2.0 over the socket, in lines or in the LSP base protocol.
 * Written for readers in any language; docs/protocol.md says the same with examples.
 * Params are objects; absent params mean {}; unknown members are ignored.
 */

/** Every method, with its params and its result. A client calls them; the daemon calls none. */
export interface Methods {
  initialize: { params: InitializeParams; result: InitializeResult };
  getToken: { params: GetTokenParams; result: GetTokenResult };
  authorizedRequest: { params: AuthorizedRequestParams; result: AuthorizedResponse };
  /** Begins an authorized request. Answered when the API is about to be sent the first bytes. */
  "request/open": { params: OpenParams; result: OpenResult };
  /** Takes the next part of its body. Answered when the API wants more, or with its response. */
  "request/chunk": { params: ChunkParams; result: ChunkResult };
  "credentials/add": { params: AddParams; result: AddResult };
  /** Finds out how a person signs in for an API, from its address alone; sends no secret, changes nothing. */
  "credentials/discover": { params: DiscoverParams; result: DiscoverResult };
  "credentials/set": { params: SetParams; result: CredentialInfo };
  "credentials/trust": { params: TrustParams; result: CredentialInfo };
  "credentials/refresh": { params: CredentialParams; result: CredentialInfo };
  "credentials/show": { params: CredentialParams; result: CredentialDetails };
  /** Asks the issuer what it knows of the token (RFC 7662). */
  "credentials/introspect": { params: CredentialParams; result: IntrospectResult };
  "credentials/test": { params: CredentialParams; result: TestResult };
  /** `deregistered`: whether its client, which authd had registered itself, was taken back at the issuer (RFC 7592). */
  "credentials/remove": { params: CredentialParams; result: RemoveResult };
  /** Revokes a sign-in at the issuer, and forgets it. */
  "credentials/logout": { params: CredentialParams; result: { revoked: boolean; detail: string } };
  "credentials/list": { params: Empty; result: { credentials: CredentialInfo[] } };
  status: { params: Empty; result: StatusResult };
  /** Tells whether this daemon can serve tokens now; answered at once, also while files are being read. */
  health: { params: Empty; result: HealthResult };
  reload: { params: Empty; result: ReloadResult };
  events: { params: EventsParams; result: EventsResult };
  /** Sends the export itself in `vault/chunk` notifications, before the result. */
  "vault/export": { params: { passphrase: string }; result: ExportResult };
  /**
   * Takes one part of an export (base64). Parts are kept until the connection has imported them, or
   * ends.
   */
  "vault/upload": { params: { data: string }; result: { received: number } };
  /** Imports the export that this connection has uploaded: every credential asked for, or none. */
  "vault/import": { params: ImportParams; result: ImportResult };
  "vault/rekey": { params: RekeyParams; result: RekeyResult };
  /** Moves all credentials into a store that several hosts share, or out of it: all or nothing. */
  "vault/move": { params: { to: string }; result: FleetHost };
  /** Lets one more host in, once, for ten minutes. The line is a secret. */
  "fleet/invite": { params: { groups?: string[] }; result: { invite: string } };
  /** Makes a key that lets hosts in from a file, until it is removed. The line is a secret. */
  "fleet/key": { params: { name: string; groups?: string[] }; result: { key: string } };
  /** A host that shares the store already gets the groups of the invitation beside its own. */
  "fleet/join": { params: { url: string; invite: string }; result: FleetHost };
  "fleet/status": { params: Empty; result: FleetStatus };
  /** Refreshes nothing on this host any more, until authd starts again; tokens are served. */
  "fleet/drain": { params: Empty; result: Empty };
  /** Shuts a host out: everything is sealed with a new key, which it does not get. */
  /** `force`: does not wait for a request of the host that spends a refresh token; what it is answered is lost. */
  "fleet/remove": { params: { host: string; force?: boolean }; result: FleetRemoved };
  subscribe: { params: SubscribeParams; result: Empty };
  unsubscribe: { params: { credential?: string }; result: Empty };
  /** Begins a person's sign-in, or joins the one that is open. */
  "login/start": { params: LoginParams; result: LoginStarted };
  /** Waits for its end. `redirected`: the address that the browser ended at, pasted by the person. */
  "login/finish": { params: { login: string; redirected?: string }; result: CredentialInfo };
  /** Withdraws from a sign-in, which ends unless other clients wait for it. */
  "login/cancel": { params: { login: string }; result: Empty };
  "approvals/pending": { params: Empty; result: { approvals: PendingApproval[] } };
  "approvals/answer": { params: AnswerParams; result: Empty };
  /** Writes the token to a file, and keeps it current from now on. */
  "tokenFiles/add": { params: TokenFileParams; result: TokenFileInfo };
  "tokenFiles/list": { params: Empty; result: { tokenFiles: TokenFileInfo[] } };
  /** Deletes the file, too. */
  "tokenFiles/remove": { params: { path: string }; result: CredentialParams };
  lock: { params: LockParams; result: { locked: boolean; afterMs?: number } };
  unlock: { params: { passphrase?: string }; result: Empty };
  "audit/head": { params: Empty; result: AuditHeadResult };
  /** Ends this connection; with `daemon` it ends authd itself. */
  shutdown: { params: { daemon?: boolean }; result: Empty };
}

/**
 * Every notification of the daemon. The first three follow `subscribe`, the approvals `subscribe`
 * with `approvals`, `login/progress` a `login/start` or `login/finish`, the others a request with
 * `stream: true` or `vault/export`.
 */
export interface Notifications {
  "token/refreshed": { credential: string; expiresAt: number | null };
  "credential/stateChanged": { credential: string; state: State; reason?: Reason };
  event: DaemonEvent;
  "approval/asked": PendingApproval;
  "login/progress": {
    login: string;
    state: "waiting" | "slow_down" | "exchanging" | "done" | "failed";
    reason?: Reason;
    message?: string;
  };
  "approval/settled": { id: number; answer: ApprovalAnswer };
  "response/head": {
    id: string | number;
    status: number;
    statusText: string;
    headers: Record<string, string | string[]>;
    url: string;
    streamToken?: string | number;
  };
  /** `seq` counts the chunks of one response from 0; `data` is base64, padded. */
  "response/chunk": {
    id: string | number;
    seq: number;
    data: string;
    streamToken?: string | number;
  };
  "vault/chunk": { id: string | number; data: string };
}

/** `error.data` of every error that is not JSON-RPC's own. */
export interface ErrorData {
  reason: Reason;
  credential?: string;
  retryAfterMs?: number;
  oauth?: OAuthProblem;
}

/** The reason of a failed request. Programs decide by the reason, never by the message. */
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
  | "internal"
  /** No daemon answers on the socket: a client's own, never on the wire. */
  | "no_daemon";

/** An issuer's error (RFC 6749 section 5.2); `status` is its HTTP status. */
export interface OAuthProblem {
  error: string;
  error_description?: string;
  status: number;
}

export const PROTOCOL_VERSION = 1;
/** Bytes; a longer request frame closes the connection. */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024;
/** Bytes of a request's body in one message, once decoded: base64 of it fills a frame. */
export const MAX_BODY_BYTES = 6 * 1024 * 1024;
/** JSON tokens (RFC 8259 section 2) of one request frame; one more closes the connection. */
export const MAX_FRAME_TOKENS = 10_000;
/** Arrays and objects inside one another; one more closes the connection. */
export const MAX_FRAME_DEPTH = 64;
/** Bytes that one notification carries in base64: with all around them, a line stays below 64 KiB. */
export const MAX_CHUNK_BYTES = 45 * 1024;
/** Characters of the `what` of a question about a change, which is shown in full. */
export const MAX_CHANGE_LENGTH = 1_000;
export const DEFAULT_TIMEOUT_MS = 30_000;
export const DEFAULT_MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** An object without members that count. */
export type Empty = Record<string, never>;
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

export interface AddResult extends CredentialInfo {
  /** Whether the client of the credential that was replaced was taken back; absent: it had none, or has it still. */
  replacedClient?: RemoveResult;
}

/** Without members: there was no client to take back. */
export interface RemoveResult {
  deregistered?: boolean;
  /** Says how it went, for a person. */
  detail?: string;
}

export interface InitializeParams {
  clientName?: string;
  clientVersion?: string;
}

export interface InitializeResult {
  serverName: string;
  serverVersion: string;
  protocolVersion: typeof PROTOCOL_VERSION;
  methods: string[];
  /** Empty: authd has no capability of the Language Server Protocol. */
  capabilities: Empty;
}

export interface GetTokenParams {
  credential: string;
  /** Seconds that the token must still be valid for. */
  minValidity?: number;
  scope?: string;
  audience?: string;
  forceRefresh?: boolean;
  /** A token that an API refused: it is renewed only if it is still the current one. */
  rejectedToken?: string;
  timeoutMs?: number;
  /** With `url`: the request that `headers` are for, where the credential's tokens are bound to a key (DPoP). */
  method?: string;
  url?: string;
  /** A person may be asked to sign in, in a browser on the daemon's desktop: at most once for all who wait. */
  interactive?: boolean;
}

export interface LoginParams {
  credential: string;
  /** The credential's usual way unless given. */
  how?: LoginFlow;
  /** The daemon opens the browser, on its own desktop; false unless given. */
  open?: boolean;
  /** Scopes beyond those of the file. */
  scope?: string;
  /** Kinds of sign-in, separated by spaces, the best first (OpenID Connect Core). */
  acrValues?: string;
  /** Seconds since the person last signed in, at most. */
  maxAge?: number;
}

/** What a sign-in is asked for beyond the file. */
export type SignInDemand = Pick<LoginParams, "scope" | "acrValues" | "maxAge">;

/** What a person needs to sign in. What proves the answer never leaves the daemon. */
export interface LoginStarted {
  login: string;
  how: LoginFlow;
  /** The address to open in a browser: here, or for `paste` anywhere. */
  url?: string;
  /** The code to type at `verificationUri`, on any device. */
  userCode?: string;
  verificationUri?: string;
  /** The address with the code in it: for a QR code. */
  verificationUriComplete?: string;
  /** Another caller began it, and has opened the browser if anybody has. */
  joined?: true;
  expiresAt: number;
}

export interface GetTokenResult {
  accessToken: string;
  tokenType: string;
  /** Null: the issuer told no lifetime. */
  expiresAt: number | null;
  scope?: string;
  /** Every header that the API wants, names in lower case, ready to send. */
  headers: Record<string, string>;
  /** Parameters that the API wants in the query, not encoded; absent: none. */
  query?: Record<string, string>;
  /** Members that the API wants in the body, a form or a JSON object; absent: none. */
  body?: Record<string, string>;
  /** Values of the issuer's answer that the credential keeps, and that are no secret; absent: none. */
  extra?: Record<string, string>;
}

export interface AuthorizedRequestParams {
  credential: string;
  url: string;
  /** Signs a person in first, on the daemon's side, if that is what it lacks. */
  interactive?: boolean;
  method?: string;
  headers?: Record<string, string>;
  /** At most one of `body` and `bodyBase64`. */
  body?: string;
  bodyBase64?: string;
  timeoutMs?: number;
  maxResponseBytes?: number;
  /** Sends the response in `response/head` and `response/chunk` notifications, before the result. */
  stream?: boolean;
  /** Returned in every notification of this response. */
  streamToken?: string | number;
}

export interface AuthorizedResponse {
  status: number;
  statusText: string;
  /** The URL after redirects. */
  url: string;
  /** Names in lower case; `set-cookie` is always an array. */
  headers: Record<string, string | string[]>;
  /** Exactly one of `body` and `bodyBase64`, unless the response was streamed. */
  body?: string;
  bodyBase64?: string;
  /** Length of a streamed body, and the number of `response/chunk` that carried it. */
  bytes?: number;
  chunks?: number;
  /** True if the token was renewed on the way, after a 401. */
  refreshed: boolean;
}

/** An authorized request whose body follows in `request/chunk`: `body` and `bodyBase64` are refused. */
export interface OpenParams extends AuthorizedRequestParams {
  /** Bytes of the whole body, sent as Content-Length; absent: the body goes in HTTP's chunks. */
  bodyBytes?: number;
}

export interface OpenResult {
  upload: string;
}

export interface ChunkParams {
  upload: string;
  /** Counts the chunks of one body from 0. */
  seq: number;
  /** Base64, padded or not. */
  data: string;
  /** The body ends with this chunk. */
  last?: boolean;
}

/** Empty while the body is to go on; then the API's response. */
export type ChunkResult = Empty | AuthorizedResponse;

export interface CredentialParams {
  credential: string;
}

export interface AddParams {
  name: string;
  preset?: string;
  grant?: string;
  settings?: Record<string, Json>;
  secrets?: Record<string, string>;
  replace?: boolean;
  /**
   * Registers an account at the API, where the preset says how. Where a person signs in, and no `client_id` is
   * set: registers a client at the issuer (RFC 7591).
   */
  register?: boolean;
}

export interface DiscoverParams {
  /** The name that the credential will have. */
  name: string;
  /** The API's URL, as it is used. */
  resource: string;
  /** Settings that a person gives; they win. `issuer` chooses among several. */
  settings?: Record<string, Json>;
}

export interface DiscoverResult {
  /** The API's identifier, as the issuer knows it (RFC 8707, RFC 9728). */
  resource: string;
  issuer: string;
  /** Origins that the issuer's metadata name: requests go there. */
  issuerOrigins: string[];
  /** Further issuers whose tokens the API takes; absent: none. */
  others?: string[];
  /**
   * Where the client comes from: a person gives it, by its id or by the URL of its metadata document; the issuer
   * registers one; or a person has to make one there.
   */
  client: "given" | "metadata_document" | "registers" | "missing";
  /** Settings for `credentials/add` with the grant `authorization_code`. */
  settings: Record<string, Json>;
}

export interface SetParams {
  credential: string;
  settings?: Record<string, Json>;
  secrets?: Record<string, string>;
  /** Settings to take out of the file, nested keys dotted, and optional secrets to drop. */
  unset?: string[];
  /** Puts entered or waiting secrets in force without trying them first. */
  force?: boolean;
  /** Drops secrets that wait to be tried. */
  discard?: boolean;
}

export interface TrustParams {
  credential: string;
  /** The `binding` that a person looked at: it fails if the file says something else by now. */
  binding?: string;
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

/** A credential without its secrets. All times are milliseconds since the epoch. */
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
  /** Duration of the last refresh, from the request to the whole answer. */
  lastRefreshMs?: number;
  refreshCount: number;
  /** Failures since the daemon's start. */
  failureCount: number;
  /** Failures since the last success. */
  failuresInRow?: number;
  lastError?: { reason: Reason; message: string; at: number };
  /** When the token that is handed out now was obtained. */
  acquiredAt?: number;
  /** When a program last asked for a token. */
  lastAskedAt?: number;
  /** When the refresh token itself expires unless it is used before, where the issuer told. */
  refreshTokenExpiresAt?: number;
  /** When the refresh token ends however often it is used, where that is known. */
  refreshTokenHardExpiresAt?: number;
  /** From when on that end is a problem. */
  refreshTokenWarningAt?: number;
  /** Present while something could not be written to the disk and is kept in memory only. */
  unsaved?: Unsaved;
  /**
   * Secrets that were entered while those in force work. They replace those once the issuer has
   * accepted them; `message` says why it has not.
   */
  candidate?: { enteredAt: number; state: State; message?: string };
  /** Present where a person signs in (`login/start`), and who did last. */
  login?: LoginInfo;
  /** Tokens for scopes and audiences beside the credential's own. */
  tokens?: VariantInfo[];
  /** Those that came with the token are last. */
  origins: string[];
  /** Names of the values that are kept from the issuer's answer. */
  kept?: string[];
  /** Shown to the daemon's own user only; absent: every program of that user may use it. */
  policy?: PolicyInfo;
  /** The day (YYYY-MM-DD) on which the secret itself expires. */
  secretExpires?: string;
  /** Faults that trying again will hardly change, whatever the state is; they outlast a restart. */
  troubles?: Trouble[];
  /** The token was entered by a person, and nothing has used it since: whether it works is not known. */
  untested?: true;
  /** Facts that a person should know, although nothing is wrong. */
  notes?: Note[];
}

/** A fact about a credential, and what a person can do about it. */
export interface Note {
  message: string;
  help: string;
}

/** Ways of signing in: a browser here, another device, or an address that is pasted. */
export type LoginFlow = "browser" | "device" | "paste";

export interface LoginInfo {
  /** The usual way first. */
  how: LoginFlow[];
  /** Absent while nobody is signed in. */
  signedInAt?: number;
  /** The account as the issuer names it; shown to the daemon's own user only. */
  account?: string;
  /** authd has registered the client at the issuer itself. */
  isRegistered?: true;
}

/** A fault of one credential that a person must mend, and what mends it, most often a command. */
export type Trouble = Omit<Problem, "credential">;

/**
 * One part of what a credential's secrets are bound to that an edit has changed: its key, dotted where it
 * is nested, and its values. Null: it is not there. `was` is absent if an earlier version of authd sealed
 * the secrets, which kept a digest alone.
 */
export interface Difference {
  key: string;
  was?: unknown;
  is: unknown;
}

/** All about one credential but its secrets. What goes beyond CredentialInfo is for the daemon's own user only. */
export interface CredentialDetails extends CredentialInfo {
  /** Path of its file. */
  file?: string;
  /**
   * What its file says together with its preset and the defaults, by the keys of a credential file.
   * Headers are templates. Absent while the file has a mistake.
   */
  settings?: Record<string, unknown>;
  /** Names of the secrets that it takes, and whether they are entered. */
  secrets?: { name: string; optional: boolean; isEntered: boolean }[];
  /** Digest of what decides where its secrets go, as the file says it now: see `credentials/trust`. */
  binding?: string;
  /** Its file says something else than what its secrets are bound to. */
  differences?: Difference[];
  /** Names that the issuer put into the access token, if it is a JWT; nobody checked its signature. */
  identity?: Record<string, string>;
}

/** A (scope, audience) that programs asked for beside the credential's own. */
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
  /** The issuer's refusal of this one; others may still work. */
  refused?: string;
}

/**
 * A write to the disk that failed. Its content is served from memory, written again and again, and
 * lost if the daemon ends before. `atRisk`: secrets (a rotated refresh token, without which a person
 * must enter another), or only tokens, which can be obtained again.
 */
export interface Unsaved {
  since: number;
  atRisk: "secrets" | "tokens";
  /** Says why, and what to do. */
  message: string;
}

/** The limits of a credential, and the names of its rules in the order in which they count. */
export interface PolicyInfo {
  expose: "token" | "request";
  confirm?: string;
  methods?: string[];
  paths?: string[];
  allow: string[];
  deny: string[];
  /** One text for each rule that matches no program as it stands. */
  warnings?: string[];
}

/** A file that holds a credential's token, which authd keeps current. */
export interface TokenFileParams {
  credential: string;
  /** Absolute; on the daemon's side. */
  path: string;
  /** The token alone, without a newline (the default); `name: value` lines of all headers; the answer of `getToken`. */
  format?: TokenFileFormat;
  /** Permissions in octal digits, such as "0640"; "0600" unless given. */
  mode?: string;
  /** Numbers of the file's owner and group; the daemon's own unless given. */
  uid?: number;
  gid?: number;
  /** Another scope or audience than the credential's own. */
  scope?: string;
  audience?: string;
}

export type TokenFileFormat = "token" | "header" | "json";

export interface TokenFileInfo extends TokenFileParams {
  /** When the file was last written by this daemon. */
  writtenAt?: number;
  /** When the token in it expires; null: the issuer told no lifetime. Absent: it was not written yet. */
  expiresAt?: number | null;
  /** Says why the file is not as it should be. */
  problem?: string;
}

export interface IntrospectResult {
  /** False: the issuer does not take the token any more. */
  active: boolean;
  /** The issuer's answer, without anything that is a token or a secret. */
  members: Record<string, Json>;
}

export interface TestResult {
  ok: boolean;
  /** False: the credential has no `verify` request, so only the token was tried. */
  verified: boolean;
  status?: number;
  detail: string;
}

export interface HealthResult {
  /** True if every check is passed. */
  ready: boolean;
  checks: HealthCheck[];
}

/** One condition of a daemon that can serve. */
export interface HealthCheck {
  /** `audit` only with `audit = "required"`; `store` only where records are shared with other hosts. */
  name: "credentials" | "vault" | "audit" | "store";
  ok: boolean;
  /** For a person: how it is, or why it is not passed. */
  message: string;
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
  /** Number of credentials in each state; states without any are absent. */
  states: Partial<Record<State, number>>;
  problems: Problem[];
  reporting: Reporting;
  /** Absent from an older daemon. */
  lock?: LockStatus;
  /** Restricted sockets; `problem` says why one can't be used. Absent: there is none. */
  sockets?: { name: string; path: string; problem?: string }[];
  /** The place where a person is asked: in a dialog, or by `authd approve`. */
  approvals?: "desktop" | "terminal";
  /** Absent from an older daemon. */
  clock?: ClockComparison;
}

/** The daemon's clock beside those of issuers, as far as they told their time since the start. */
export interface ClockComparison {
  /** Number of issuers whose time is known. */
  issuers: number;
  /** The issuer whose clock is farthest from ours, if 5 s or more: by so much ours is ahead of it. */
  apart?: { issuer: string; aheadMs: number };
}

/** A condition that needs a person. */
export interface Problem {
  /** Absent: it concerns all credentials, as a locked vault does. */
  credential?: string;
  reason: ProblemReason;
  message: string;
  /** The remedy, most often a command. */
  help: string;
}

export type ProblemReason =
  | "login_required"
  | "credential_rejected"
  | "credential_changed"
  | "credential_damaged"
  | "vault_locked"
  | "manifest"
  | "audit"
  | "unsaved"
  | "secret_expires"
  | "refresh_token_expires"
  | "lifetime"
  | "kept_value"
  | "insufficient_scope"
  | "insufficient_user_authentication"
  | "wrong_address"
  | "blocked"
  | "test_failed"
  | "token_file"
  | "socket"
  | "store"
  | "hook";

/** The ways in which people and programs are told of problems; an outlet that is not configured is absent. */
export interface Reporting {
  /** True if the desktop shows notifications. */
  notify: boolean;
  hook?: Outlet & { runs: number; failures: number };
  metricsFile?: Outlet;
  metricsListen?: Outlet;
}

export interface Outlet {
  /** A path or an address. */
  to: string;
  /** The present failure, if there is one. */
  error?: string;
}

/** The state of the vault's lock, and the events that lock it. */
export interface LockStatus {
  locked: boolean;
  /** Says why the vault's key is not available. */
  why?: string;
  /** When a person or a rule locked it; absent: its key could not be found. */
  since?: number;
  /** The vault locks itself after this time (ms) without a use. */
  afterMs?: number;
  /** Further events that lock it, and why one does not work at the moment. */
  on: { event: "suspend" | "screen"; error?: string }[];
  /** Says why the vault does not lock itself, although the settings ask for it. */
  problem?: string;
}

export interface ReloadResult {
  /** Names of credentials whose settings are others now. */
  changed: string[];
  /** Keys of config.toml whose edit took effect; an older daemon does not tell. */
  daemon?: string[];
  /** Keys of config.toml whose edit takes effect when authd is restarted; `errors` tells of them, too. */
  restart?: string[];
  errors: { file: string; message: string }[];
}

export interface EventsParams {
  credential?: string;
  /** Milliseconds since the epoch; earlier events are left out. */
  since?: number;
  /** The largest number of events; the newest are returned. */
  limit?: number;
}

export interface EventsResult {
  /** Oldest first. */
  events: DaemonEvent[];
  /** When the daemon started: nothing from before is known. */
  startedAt: number;
  /** Number of events since then that are no longer kept. */
  dropped: number;
}

/** An event. Which members it has beside the first three depends on `kind`. */
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
  /** A text for people; no secret, no token. */
  message?: string;
  /** Expiry of the new token. */
  expiresAt?: number | null;
  /** There was no token before. */
  first?: true;
  /** Duration from the request to the whole answer. */
  tookMs?: number;
  /** When the next try begins. */
  retryAt?: number;
  /** Nothing is wrong: the vault was locked on purpose, or it is older than manifests are. */
  wanted?: true;
}

/** Kinds of events, which docs/protocol.md explains. */
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
  | "signed_in"
  | "signed_out"
  | "tested"
  | "token_file"
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

/** An event before it is numbered and dated. */
export type EventPayload = Omit<DaemonEvent, "seq" | "at">;

export interface SubscribeParams {
  /** Absent: all credentials. */
  credential?: string;
  /** Sends the notification `event` in place of the first two. */
  events?: boolean;
  /** Sends the questions in place of the first two. */
  approvals?: boolean;
}

/** A question that waits for a person. */
export interface PendingApproval {
  id: number;
  credential: string;
  kind: "token" | "request" | "change";
  /** The use in words, without any secret: `its token`, `GET https://api.example.com/v2`. */
  what: string;
  /** The parts of a request that `what` leaves out. An answer of `once` is for exactly this request. */
  request?: RequestDetails;
  /** The rule that wants the question asked. */
  rule: string;
  /** Number of requests that wait for the answer. */
  count: number;
  /** The program that asks: `/usr/bin/backup (process 4711)`. */
  program: string;
  /** The process that asks, its parent, and so on. */
  processes: string[];
  script?: string;
  terminal?: string;
  unit?: string;
  container?: string;
  /** Says why some of this is not known. */
  unknown?: string;
  since: number;
  /** The question counts as answered with no at this time. */
  expiresAt: number;
  choices: ApprovalAnswer[];
}

/** The members of an authorized request beside its method and path. */
export interface RequestDetails {
  /** With its `?`. */
  query?: string;
  /** Names of the headers that the caller gives. */
  headers?: string[];
  bodyBytes?: number;
  /** In hexadecimal. */
  bodySha256?: string;
  /** The body comes in parts, after the answer: nobody knows it yet. */
  bodyFollows?: true;
}

/** The time for which a yes holds: `always` is written to the credential's file as a rule. */
export type ApprovalAnswer = "once" | "process" | "hour" | "session" | "always" | "no";

export interface AnswerParams {
  id: number;
  answer: ApprovalAnswer;
  /** The vault's passphrase, where it has one: what a program of the same user does not know. */
  passphrase?: string;
}

export interface LockParams {
  /**
   * Locks the vault whenever it was not used for this time, instead of now: until authd ends, or
   * another time is given.
   */
  afterMs?: number;
}

/** The end of the audit log. Every call from before this one is included. */
export interface AuditHeadResult {
  mode: "on" | "off" | "required";
  path: string;
  /** Number of the last line, and of the oldest that is kept; 0: there is none. */
  n: number;
  first: number;
  /** SHA-256 of the last line, in hexadecimal. */
  hash: string;
  /** Number of lines that wait to be written. */
  waiting: number;
  /** Says why the log can't be written or trusted. */
  problem?: string;
}

export interface ExportResult {
  /** Bytes that were sent in `vault/chunk`. */
  bytes: number;
  /** Names. */
  credentials: string[];
  /** Names whose refresh token can be spent only once: one machine can use it, not two. */
  rotating: string[];
  /** Parts that are missing or incomplete in the export. */
  problems: VaultProblem[];
}

export interface ImportParams {
  passphrase: string;
  replace?: boolean;
  /** Names; absent: all of them. */
  only?: string[];
}

export interface ImportResult {
  /** Names, those that were replaced included. */
  imported: string[];
  replaced: string[];
  rotating: string[];
  /** Credentials that were imported as they are in the file, but are not usable here. */
  problems: VaultProblem[];
}

/** A credential that does not work as it is; `message` says what to do. */
export interface VaultProblem {
  credential: string;
  message: string;
}

export interface RekeyParams {
  to: "keychain" | "passphrase" | "systemd-credential" | "file";
  /** Used for `to: "passphrase"` only. */
  passphrase?: string;
}

export interface RekeyResult {
  vaultKey: string;
  /** Number of records. */
  sealed: number;
  /** Names whose records could not be opened before either: left as they were. */
  damaged: string[];
}

/** This host in a store. */
export interface FleetHost {
  host: string;
  /** Number of credentials that are shared. */
  credentials: number;
}

/** What went with a host that was removed. */
export interface FleetRemoved {
  /** Hosts that went, too, as they gave no proof that anybody let them in. */
  unproven: string[];
  /** Credentials of groups that no other host had. */
  credentials: string[];
  /** Credentials whose refresh token a host that went was about to spend, and never told what came of it. */
  unsettled: string[];
}

/** A store that several hosts share, as this host sees it. */
export interface FleetStatus {
  host: string;
  url: string;
  /** Says why the store can't be used at the moment. */
  problem?: string;
  /** This host refreshes nothing any more. */
  drained?: true;
  lag: FleetLag;
  /** Empty while it can't be. */
  hosts: SharedHostStatus[];
  credentials: SharedCredentialStatus[];
}

/** How far this host is behind the store. */
export interface FleetLag {
  /** How long ago it last had all that the store has; absent: not since its start. */
  currentMsAgo?: number;
  /** Credentials of which the store has a newer version; absent while it can't be reached. */
  credentials?: number;
  /** Age of the oldest of those versions; absent if there is none. */
  ms?: number;
}

export interface SharedHostStatus {
  name: string;
  /** When it last told that it runs. */
  seenMsAgo: number;
  /** The groups that it was let into, by what the store says. */
  groups: string[];
}

export interface SharedCredentialStatus {
  name: string;
  /** Absent: its key is none of those that the hosts have. */
  group?: string;
  /** Version in the store, and the one that this host has. */
  version: number;
  versionHere: number;
  /** Host that committed last: it has refreshed the credential, or a person has changed it there. */
  committedBy?: string;
  committedMsAgo?: number;
  /** Host that is refreshing it, and how long its lease lasts unless it is renewed. */
  leasedBy?: string;
  leaseMs?: number;
  /** Host that was about to spend its refresh token, and has not told what came of it; and how long ago. */
  intentOf?: string;
  intentMsAgo?: number;
  /** This host has something that the store has not got. */
  pending?: true;
}

export type Method = keyof Methods;

/** Members that may be absent may also be given as undefined, which JSON leaves out. */
type OrUndefined<Members> = {
  [Name in keyof Members]: Record<never, never> extends Pick<Members, Name>
    ? Members[Name] | undefined
    : Members[Name];
};
export type ParamsOf<M extends Method> = OrUndefined<Methods[M]["params"]>;

export type Results = { [M in Method]: Methods[M]["result"] };
