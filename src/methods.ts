import type { Access } from "./access.ts";
import type { Admin } from "./admin.ts";
import type { ApprovalService } from "./approvals/service.ts";
import type { Backup } from "./backup.ts";
import type { TokenWant } from "./credential/asking.ts";
import { variationOf } from "./credential/variant.ts";
import type { Credential } from "./credential.ts";
import type { Http } from "./http.ts";
import type { Use } from "./policy.ts";
import {
  type CheckedParams,
  DEFAULT_TIMEOUT_MS,
  type EventsResult,
  type GetTokenResult,
  PROTOCOL_VERSION,
  params,
  type StatusResult,
} from "./protocol.ts";
import type { Registry } from "./registry.ts";
import { authorizedRequest, type RequestSink } from "./request.ts";
import type { Call, Handlers } from "./server.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { version } from "./version.ts";

export interface MethodsOptions {
  registry: Registry;
  access: Access;
  approvals: ApprovalService;
  admin: Admin;
  backup: Backup;
  http: Http;
  subscriptions: Subscriptions;
  status: () => StatusResult;
  /** What happened lately. */
  events: (query: CheckedParams<"events">) => EventsResult;
  /** Begins an orderly end; the answer still gets out. */
  shutdown: () => void;
}

/** The flat table of all that a client can ask for. */
export function methods(options: MethodsOptions): Handlers {
  const { registry, access, approvals, admin, backup, http } = options;
  const { subscriptions, status, events, shutdown } = options;
  /** The credential's name, if it is kept from programs. */
  const guarded = (name: string) =>
    registry.has(name) && registry.get(name).isGuarded ? name : undefined;
  const anyGuarded = () => registry.all().find(({ isGuarded }) => isGuarded)?.name;
  return {
    initialize: () => ({
      serverName: "authd",
      serverVersion: version,
      protocolVersion: PROTOCOL_VERSION,
      methods: Object.keys(params),
    }),
    getToken: (given, call) => getToken(registry, access, given, call),
    authorizedRequest: (given, call) => {
      const credential = registry.get(given.credential);
      return authorizedRequest(credential, http, given, {
        signal: call.signal,
        room: call.room(),
        admit: ({ method, url }) => admitted(access, credential, method, url, call),
        ...(given.stream ? { stream: sinkOf(call) } : {}),
      });
    },
    "credentials/add": async (given, call) => {
      await access.change("credentials/add", given.replace ? guarded(given.name) : undefined, call);
      return await admin.add(given, call.signal);
    },
    "credentials/set": async (given, call) => {
      await access.change("credentials/set", guarded(given.credential), call);
      return await admin.set(given, call.signal);
    },
    "credentials/trust": async ({ credential }, call) => {
      await access.change("credentials/trust", guarded(credential), call);
      return await admin.trust(credential);
    },
    "credentials/refresh": async ({ credential }, call) => {
      await access.change("credentials/refresh", undefined, call);
      return await admin.refresh(credential, call.signal);
    },
    "credentials/show": ({ credential }, call) => {
      if (registry.has(credential)) access.assertMayUse(registry.get(credential), call);
      else access.assertOwn("credentials/show", call);
      return registry.info(credential);
    },
    "credentials/test": async ({ credential }, call) => {
      await access.change("credentials/test", undefined, call);
      return await admin.test(credential, call.signal);
    },
    "credentials/remove": async ({ credential }, call) => {
      await access.change("credentials/remove", guarded(credential), call);
      await admin.remove(credential);
      return {};
    },
    "credentials/list": (_, call) => ({
      credentials: registry.infos().filter(({ name }) => mayList(registry, access, name, call)),
    }),
    status,
    events: (query, call) => {
      access.assertOwn("events", call);
      const result = events(query);
      // One that was removed may be asked for; a slip of the fingers is told.
      if (query.credential !== undefined && result.events.length === 0) {
        registry.info(query.credential);
      }
      return result;
    },
    reload: async (_, call) => {
      access.assertOwn("reload", call);
      return await admin.reload();
    },
    "vault/export": async (given, call) => {
      await access.change("vault/export", anyGuarded(), call);
      return await backup.export(given, call);
    },
    "vault/upload": (given, call) => {
      access.assertOwn("vault/upload", call);
      return backup.upload(given, call.connection);
    },
    "vault/import": async (given, call) => {
      await access.change("vault/import", given.replace ? anyGuarded() : undefined, call);
      return await backup.import(given, call.connection);
    },
    "vault/rekey": async (given, call) => {
      await access.change("vault/rekey", anyGuarded(), call);
      return await backup.rekey(given);
    },
    "approvals/pending": (_, call) => {
      access.assertOwn("approvals/pending", call);
      return { approvals: approvals.pending };
    },
    "approvals/answer": async (given, call) => {
      access.assertOwn("approvals/answer", call);
      await approvals.answer(given, call);
      return {};
    },
    subscribe: ({ credential, events: all = false, approvals: questions = false }, call) => {
      access.assertOwn("subscribe", call);
      if (questions) {
        approvals.watch(call);
        return {};
      }
      if (credential !== undefined) registry.info(credential);
      subscriptions.add(call, credential, all ? "events" : "changes");
      return {};
    },
    unsubscribe: ({ credential }, call) => {
      subscriptions.remove(call, credential);
      return {};
    },
    shutdown: (_, call) => {
      access.assertOwn("shutdown", call);
      shutdown();
      return {};
    },
  };
}

/** Synchronous when the token is cached and nothing limits it: the answer is not a promise then. */
function getToken(
  registry: Registry,
  access: Access,
  given: CheckedParams<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const credential = registry.get(given.credential);
  const pass = access.use(credential, () => tokenUse(credential, given), "its token", call);
  if (pass instanceof Promise) return pass.then(() => tokenOf(credential, given, call));
  return tokenOf(credential, given, call);
}

function tokenOf(
  credential: Credential,
  given: CheckedParams<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const issued = credential.token(new Want(given, call));
  return issued instanceof Promise ? issued.then(({ answer }) => answer) : issued.answer;
}

function tokenUse({ settings }: Credential, given: CheckedParams<"getToken">): Use {
  const { scope = "", audience = "" } = variationOf(settings.own, given.scope, given.audience);
  return { kind: "token", scope, audience };
}

async function admitted(
  access: Access,
  credential: Credential,
  method: string,
  { origin, pathname: path }: URL,
  call: Call,
) {
  const use: Use = { kind: "request", scope: "", audience: "", method, path };
  const { reaches } = await access.use(credential, () => use, `${method} ${origin}${path}`, call);
  return reaches;
}

/** Others see what they may use, and nothing of those whose files are broken. */
function mayList(registry: Registry, access: Access, name: string, call: Call): boolean {
  return access.isOwn(call) || (registry.has(name) && access.mayUse(registry.get(name), call));
}

/** The call's signal is made only if somebody waits for it. */
class Want implements TokenWant {
  readonly minValidity: number | undefined;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
  readonly forceRefresh: boolean | undefined;
  readonly rejectedToken: string | undefined;
  readonly timeoutMs: number;
  readonly #call: Call;

  constructor(given: CheckedParams<"getToken">, call: Call) {
    const { minValidity } = given;
    this.minValidity = minValidity === undefined ? undefined : minValidity * 1_000;
    this.scope = given.scope;
    this.audience = given.audience;
    this.forceRefresh = given.forceRefresh;
    this.rejectedToken = given.rejectedToken;
    this.timeoutMs = given.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }
}

function sinkOf(call: Call): RequestSink {
  const { id } = call;
  return {
    head: (head) => call.notify("response/head", { id, ...head }),
    chunk: (data) => call.notify("response/chunk", { id, data: data.toString("base64") }),
  };
}
