import type { Access, Wish } from "../access/access.ts";
import type { ApprovalService } from "../access/approvals/approval-service.ts";
import { overrideHeader, type Use } from "../access/policy.ts";
import type { Admin } from "../admin/admin.ts";
import type { Backup } from "../admin/backup.ts";
import type { Consent } from "../admin/consent.ts";
import type { LoginClient, LoginService } from "../admin/login/login-service.ts";
import type { Cancellation } from "../base/cancellation.ts";
import { normalizeScope } from "../base/scope.ts";
import { quoted } from "../base/terminal-safe.ts";
import { version } from "../base/version.ts";
import type { Credential } from "../credential/credential.ts";
import type { IssuedToken } from "../credential/issued-token.ts";
import type { TokenTarget } from "../credential/record.ts";
import type { Registry } from "../credential/registry.ts";
import type { GetTokenOptions } from "../credential/slow-path.ts";
import { ownAudience } from "../credential/token-slot.ts";
import { AuthdError } from "../errors.ts";
import type { Http } from "../http/http.ts";
import { LOCK_REASONS } from "../lock/lock-errors.ts";
import type { VaultLocker } from "../lock/vault-locker.ts";
import {
  type AuditHeadResult,
  type CredentialInfo,
  DEFAULT_TIMEOUT_MS,
  type EventsResult,
  type GetTokenResult,
  type ParamsOf,
  PROTOCOL_VERSION,
  type StatusResult,
} from "../protocol.ts";
import { authorizedRequest } from "../request/request.ts";
import { type ValidatedRequest, wishToSend } from "../request/validate-request.ts";
import type { Call, HandlersWithoutUploads } from "../rpc/call.ts";
import { params } from "../rpc/params.ts";
import { ResponseStream } from "../rpc/response-stream.ts";
import type { Subscriptions } from "../rpc/subscriptions.ts";
import { infoFor, Listing, visibleTo } from "./listing.ts";

export interface MethodsOptions {
  registry: Registry;
  access: Access;
  approvals: ApprovalService;
  admin: Admin;
  backup: Backup;
  logins: LoginService;
  http: Http;
  lock: VaultLocker;
  subscriptions: Subscriptions;
  status: () => StatusResult;
  /** Returns recent events. */
  events: (query: ParamsOf<"events">) => EventsResult;
  /** Returns how far the audit log goes. */
  auditHead: () => Promise<AuditHeadResult>;
  /** Begins an orderly end; the answer still gets out. */
  shutdown: () => void;
}

/**
 * Returns the flat table of all that a client can ask for; upload-methods.ts adds two. Callers that may not
 * call a method do not get here: see caller-interceptor.ts.
 */
export function methods(options: MethodsOptions): HandlersWithoutUploads {
  const { registry, access, approvals, admin, backup, logins, http, lock } = options;
  const { subscriptions, status, events, shutdown } = options;
  /** Consent to a change of a guarded credential, which is found out in the change's own turn. */
  const consentTo =
    (method: string, call: Call): Consent =>
    (guarded, what) =>
      access.authorizeChange(method, guarded, call, what);
  const listing = new Listing(registry, access);
  return {
    initialize: () => ({
      serverName: "authd",
      serverVersion: version,
      protocolVersion: PROTOCOL_VERSION,
      methods: Object.keys(params),
      // Clients of the Language Server Protocol take no answer without them.
      capabilities: {},
    }),
    getToken: (given, call) =>
      given.interactive
        ? interactiveToken(options, given, call)
        : getToken(registry, access, given, call),
    authorizedRequest: (given, call) => {
      const credential = registry.get(given.credential);
      return authorizedRequest(credential, http, given, {
        signal: call.signal,
        room: call.room(),
        sends: ({ answer }) => {
          call.issued = answer;
        },
        admit: (outgoing) => admitted(access, credential, outgoing, call),
        ...(call.upload ? { upload: call.upload } : {}),
        ...(given.stream ? { stream: new ResponseStream(call, given.streamToken) } : {}),
      });
    },
    "credentials/add": async (given, call) =>
      await admin.add(given, call.signal, consentTo("credentials/add", call)),
    "credentials/set": async (given, call) =>
      await admin.set(given, call.signal, consentTo("credentials/set", call)),
    "credentials/trust": async (given, call) =>
      await admin.trust(given, consentTo("credentials/trust", call)),
    "credentials/refresh": async ({ credential }, call) => {
      await refreshAdmitted(access, registry.get(credential), call);
      return await admin.refresh(credential, call.signal);
    },
    "credentials/show": ({ credential }, call) => {
      if (access.isDaemonUser(call)) return admin.show(credential);
      return infoFor(registry.info(credential), false);
    },
    "credentials/test": async (given, call) => {
      const credential = registry.get(given.credential);
      return await admin.test(credential, {
        signal: call.signal,
        admit: (outgoing) => admitted(access, credential, outgoing, call),
        admitRefresh: () => refreshAdmitted(access, credential, call),
      });
    },
    "credentials/remove": async ({ credential }, call) => {
      await admin.remove(credential, consentTo("credentials/remove", call));
      return {};
    },
    "credentials/logout": async ({ credential }, call) =>
      await logins.logout(credential, consentTo("credentials/logout", call)),
    "login/start": async (given, call) => await logins.start(given, loginClient(access, call)),
    "login/finish": async (given, call) => await logins.finish(given, call),
    "login/cancel": (given, call) => {
      logins.cancel(given, call);
      return {};
    },
    "credentials/list": (_, call) => listing.list(call),
    status: (_, call) =>
      access.isDaemonUser(call)
        ? status()
        : statusFor(
            status(),
            visibleTo(registry, access, call).map((name) => registry.info(name)),
          ),
    events: (query) => {
      const result = events(query);
      // One that was removed may be asked for; a slip of the fingers is told.
      if (query.credential !== undefined && result.events.length === 0) {
        registry.info(query.credential);
      }
      return result;
    },
    reload: async () => await admin.reload(),
    "vault/export": async (given, call) =>
      await backup.export(given, call, consentTo("vault/export", call)),
    "vault/upload": (given, call) => {
      return backup.upload(given, call.connection);
    },
    "vault/import": async (given, call) =>
      await backup.import(given, call.connection, consentTo("vault/import", call)),
    "vault/rekey": async (given, call) => await backup.rekey(given, consentTo("vault/rekey", call)),
    "approvals/pending": (_, call) => {
      return { approvals: approvals.pendingFor(call) };
    },
    "approvals/answer": async (given, call) => {
      await approvals.answer(given, call);
      return {};
    },
    subscribe: ({ credential, events: all = false, approvals: questions = false }, call) => {
      if (questions) {
        approvals.watch(call);
        return {};
      }
      if (credential !== undefined) registry.info(credential);
      subscriptions.add(call, credential, all ? "events" : "changes");
      return {};
    },
    unsubscribe: ({ credential }, call) => {
      if (credential === undefined) approvals.unwatch(call);
      subscriptions.remove(call, credential);
      return {};
    },
    lock: async ({ afterMs: after }) => {
      if (after === undefined) await lock.lock(LOCK_REASONS.asked);
      else lock.lockAfter(after);
      const { locked, afterMs } = lock.status;
      return { locked, ...(afterMs === undefined ? {} : { afterMs }) };
    },
    unlock: async ({ passphrase }, call) => {
      await lock.unlock(passphrase, call.peer);
      return {};
    },
    "audit/head": () => options.auditHead(),
    shutdown: ({ daemon = false }, call) => {
      if (!daemon) {
        call.connection.leave();
        return {};
      }
      shutdown();
      return {};
    },
  };
}

/** Synchronous when the token is cached and nothing limits it: the answer is not a promise then. */
function getToken(
  registry: Registry,
  access: Access,
  given: ParamsOf<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const credential = registry.get(given.credential);
  const decision = access.authorizeUse(
    credential,
    () => tokenUse(credential, given),
    () => wishOf(given),
    call,
  );
  if (decision instanceof Promise) return decision.then(() => tokenOf(credential, given, call));
  return tokenOf(credential, given, call);
}

/** Signs a person in if that is what the token lacks, and the caller is the daemon's user. */
async function interactiveToken(
  { registry, access, logins }: MethodsOptions,
  given: ParamsOf<"getToken">,
  call: Call,
): Promise<GetTokenResult> {
  try {
    return await getToken(registry, access, given, call);
  } catch (error) {
    const isMissing = error instanceof AuthdError && error.reason === "login_required";
    if (!isMissing || !access.isDaemonUser(call)) throw error;
    const { credential, timeoutMs = DEFAULT_TIMEOUT_MS } = given;
    if (!registry.get(credential).info().login) throw error;
    if (!(await logins.interactive(credential, loginClient(access, call), timeoutMs))) throw error;
  }
  return await getToken(registry, access, given, call);
}

/** A caller of a sign-in, which goes on after the call is answered. */
function loginClient(access: Access, call: Call): LoginClient {
  const { connection, peer, signal } = call;
  return {
    ...{ connection, signal },
    notify: (name, params) => call.notify(name, params),
    consent: (until) => (restricted, what) =>
      access.authorizeChange("login/start", restricted, { connection, peer, signal: until }, what),
  };
}

/** Describes a request for a token to the person who may have to allow it. */
function wishOf({ scope, audience }: ParamsOf<"getToken">): Wish {
  if (scope === undefined && audience === undefined) return { what: "its token" };
  const named = Object.entries({ scope, audience }).filter(([, value]) => value !== undefined);
  const more = named.map(([name, value]) => `${name} ${quoted(value!)}`);
  // Quoted values may be shortened.
  const exact = JSON.stringify([scope, audience]);
  return { what: `a token with ${more.join(" and ")}`, exact };
}

function tokenOf(
  credential: Credential,
  given: ParamsOf<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const isForRequest = given.method !== undefined || given.url !== undefined;
  if (isForRequest) return proven(credential, given, call);
  const issued = credential.token(new GetTokenParams(given, call));
  if (issued instanceof Promise) return issued.then((token) => handOut(credential, token));
  return handOut(credential, issued);
}

/** Returns the token with the headers for one request, where the credential signs requests. */
async function proven(
  credential: Credential,
  given: ParamsOf<"getToken">,
  call: Call,
): Promise<GetTokenResult> {
  const { method, url = "" } = given;
  const isWeb = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  const isMethod = method !== undefined && /^[!#$%&'*+.^_`|~\w-]+$/.test(method);
  if (!isWeb || !isMethod) {
    const text = "method and url go together: an HTTP method, and a complete http: or https: URL";
    throw new AuthdError("invalid_params", text, { credential: credential.name });
  }
  const issued = await credential.token(new GetTokenParams(given, call));
  const answer = handOut(credential, issued);
  const dpop = await credential.prover?.prove(method, url, issued.accessToken);
  return dpop === undefined ? answer : { ...answer, headers: { ...answer.headers, dpop } };
}

function handOut(credential: Credential, issued: IssuedToken): GetTokenResult {
  credential.recordUsed(issued);
  return issued.answer;
}

function tokenUse({ settings }: Credential, given: ParamsOf<"getToken">): Use {
  return { kind: "token", ...reachOf(settings.own, given.scope, given.audience) };
}

/** Returns scope and audience of a use; the credential's own where the caller names none. */
function reachOf(own: unknown, scope?: string, audience?: string) {
  const known = own as TokenTarget;
  return {
    scope: normalizeScope(scope ?? known.scope ?? ""),
    audience: audience ?? ownAudience(own) ?? "",
  };
}

async function admitted(
  access: Access,
  credential: Credential,
  outgoing: ValidatedRequest,
  call: Call,
) {
  const { method, url, headers } = outgoing;
  const override = overrideHeader(headers);
  const use: Use = {
    kind: "request",
    ...reachOf(credential.settings.own),
    method: method.toUpperCase(),
    path: url.pathname,
    ...(override === undefined ? {} : { override }),
  };
  const { reaches } = await access.authorizeUse(
    credential,
    () => use,
    () => wishToSend(outgoing),
    call,
  );
  return reaches;
}

/** Throws or rejects unless the caller may have another token obtained. */
async function refreshAdmitted(access: Access, credential: Credential, call: Call): Promise<void> {
  const use: Use = { kind: "refresh", ...reachOf(credential.settings.own) };
  await access.authorizeUse(
    credential,
    () => use,
    () => ({ what: "a refresh of its token" }),
    call,
  );
}

/** Returns the status for another user: of what it may use. */
function statusFor(status: StatusResult, theirs: readonly CredentialInfo[]): StatusResult {
  const names = new Set(theirs.map(({ name }) => name));
  const states: StatusResult["states"] = {};
  for (const { state } of theirs) states[state] = (states[state] ?? 0) + 1;
  const { version, pid, startedAt, socket, vaultKey, connections } = status;
  return {
    ...{ version, pid, startedAt, socket, vaultKey, connections },
    pendingRefreshes: states.refreshing ?? 0,
    credentials: theirs.length,
    states,
    problems: status.problems.filter(({ credential = "" }) => names.has(credential)),
    reporting: { notify: false },
  };
}

/** The call's signal is made only if somebody waits for it. */
class GetTokenParams implements GetTokenOptions {
  readonly minValidity: number | undefined;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
  readonly forceRefresh: boolean | undefined;
  readonly rejectedToken: string | undefined;
  readonly timeoutMs: number;
  readonly #call: Call;

  constructor(given: ParamsOf<"getToken">, call: Call) {
    const { minValidity } = given;
    this.minValidity = minValidity === undefined ? undefined : minValidity * 1_000;
    this.scope = given.scope;
    this.audience = given.audience;
    this.forceRefresh = given.forceRefresh;
    this.rejectedToken = given.rejectedToken;
    this.timeoutMs = given.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#call = call;
  }

  get signal(): Cancellation {
    return this.#call.signal;
  }
}
