import type { Access } from "../access/access.ts";
import type { ApprovalService } from "../access/approvals/approval-service.ts";
import { overrideHeader, type Use } from "../access/policy.ts";
import type { Admin } from "../admin/admin.ts";
import type { Backup } from "../admin/backup.ts";
import type { Consent } from "../admin/consent.ts";
import type { LoginService } from "../admin/login/login-service.ts";
import type { TokenFiles } from "../admin/token-files/token-files.ts";
import { version } from "../base/version.ts";
import type { Credential } from "../credential/credential.ts";
import type { Registry } from "../credential/registry.ts";
import type { Http } from "../http/http.ts";
import { LOCK_REASONS } from "../lock/lock-errors.ts";
import type { VaultLocker } from "../lock/vault-locker.ts";
import {
  type AuditHeadResult,
  type CredentialInfo,
  type EventsResult,
  type HealthResult,
  type ParamsOf,
  PROTOCOL_VERSION,
  type StatusResult,
} from "../protocol.ts";
import { authorizedRequest, type MayFollow } from "../request/request.ts";
import { type ValidatedRequest, wishToSend } from "../request/validate-request.ts";
import type { Call, HandlersWithoutUploads } from "../rpc/call.ts";
import { params } from "../rpc/params.ts";
import { ResponseStream } from "../rpc/response-stream.ts";
import type { Subscriptions } from "../rpc/subscriptions.ts";
import type { FleetService } from "./fleet/fleet-service.ts";
import {
  getToken,
  interactively,
  interactiveToken,
  loginClient,
  reachOf,
  tokenFilePermit,
} from "./get-token.ts";
import { infoFor, Listing, visibleTo } from "./listing.ts";

export interface MethodsOptions {
  registry: Registry;
  access: Access;
  approvals: ApprovalService;
  admin: Admin;
  backup: Backup;
  logins: LoginService;
  tokenFiles: TokenFiles;
  http: Http;
  lock: VaultLocker;
  subscriptions: Subscriptions;
  fleet: () => Promise<FleetService>;
  status: () => StatusResult;
  health: () => HealthResult;
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
  const { registry, access, approvals, admin, backup, logins, tokenFiles, http, lock } = options;
  const { subscriptions, fleet, status, health, events, shutdown } = options;
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
      const room = call.room();
      const send = () =>
        authorizedRequest(credential, http, given, {
          signal: call.signal,
          room,
          sends: ({ answer }) => {
            call.issued = answer;
          },
          admit: (outgoing) => {
            call.origin = outgoing.url.origin;
            return admitted(access, credential, outgoing, call);
          },
          upload: call.upload,
          stream: given.stream ? new ResponseStream(call, given.streamToken) : undefined,
        });
      return given.interactive ? interactively(options, given, call, send) : send();
    },
    "credentials/add": async (given, call) =>
      await admin.add(given, call.signal, consentTo("credentials/add", call)),
    "credentials/discover": async (given) => await admin.discover(given),
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
    "credentials/introspect": async ({ credential: name }, call) => {
      const credential = registry.get(name);
      await refreshAdmitted(access, credential, call);
      return await credential.introspect({ signal: call.signal });
    },
    "credentials/test": async (given, call) => {
      const credential = registry.get(given.credential);
      return await admin.test(credential, {
        signal: call.signal,
        admit: (outgoing) => admitted(access, credential, outgoing, call),
        admitRefresh: () => refreshAdmitted(access, credential, call),
      });
    },
    "credentials/remove": async ({ credential }, call) =>
      await admin.remove(credential, consentTo("credentials/remove", call)),
    "credentials/logout": async ({ credential }, call) =>
      await logins.logout(credential, consentTo("credentials/logout", call)),
    "login/start": async (given, call) => await logins.start(given, loginClient(access, call)),
    "login/finish": async (given, call) => await logins.finish(given, call),
    "login/cancel": (given, call) => {
      logins.cancel(given, call);
      return {};
    },
    "credentials/list": (_, call) => listing.list(call),
    health,
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
    "vault/rekey": async (given, call) => {
      // Loaded before: with a new key that the store's is not wrapped for, this host would be shut out of it.
      const service = await fleet();
      const result = await backup.rekey(given, consentTo("vault/rekey", call));
      await service.wrapAgain();
      return result;
    },
    "vault/move": async (given, call) =>
      await (await fleet()).move(given, consentTo("vault/move", call)),
    "fleet/key": async (given, call) =>
      await (await fleet()).key(given, consentTo("fleet/key", call)),
    "fleet/invite": async (given, call) =>
      await (await fleet()).invite(given, consentTo("fleet/invite", call)),
    "fleet/join": async (given) => await (await fleet()).join(given),
    "fleet/status": async () => await (await fleet()).status(),
    "fleet/drain": async () => await (await fleet()).drain(),
    "fleet/remove": async (given) => await (await fleet()).remove(given),
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
    "tokenFiles/add": async (given, call) =>
      await tokenFiles.add(given, tokenFilePermit(access, call), call.signal),
    "tokenFiles/list": () => ({ tokenFiles: tokenFiles.list() }),
    "tokenFiles/remove": async ({ path }) => await tokenFiles.remove(path),
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

/** Returns at once if nothing limits the credential. Throws or rejects unless the caller may send this. */
function admitted(
  access: Access,
  credential: Credential,
  outgoing: ValidatedRequest,
  call: Call,
): MayFollow | Promise<MayFollow> {
  const use = (): Use => {
    const { method, url, headers } = outgoing;
    const override = overrideHeader(headers);
    return {
      kind: "request",
      ...reachOf(credential.settings.own),
      method: method.toUpperCase(),
      path: url.pathname,
      ...(override === undefined ? {} : { override }),
    };
  };
  const decision = access.authorizeUse(credential, use, () => wishToSend(outgoing), call);
  return decision instanceof Promise ? decision.then(({ reaches }) => reaches) : decision.reaches;
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
