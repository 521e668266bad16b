import type { Admin } from "./admin.ts";
import type { TokenWant } from "./credential/asking.ts";
import type { Http } from "./http.ts";
import {
  type CheckedParams,
  DEFAULT_TIMEOUT_MS,
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
  admin: Admin;
  http: Http;
  subscriptions: Subscriptions;
  status: () => StatusResult;
  /** Begins an orderly end; the answer still gets out. */
  shutdown: () => void;
}

/** The flat table of all that a client can ask for. */
export function methods(options: MethodsOptions): Handlers {
  const { registry, admin, http, subscriptions, status, shutdown } = options;
  return {
    initialize: () => ({
      serverName: "authd",
      serverVersion: version,
      protocolVersion: PROTOCOL_VERSION,
      methods: Object.keys(params),
    }),
    getToken: (given, call) => getToken(registry, given, call),
    authorizedRequest: (given, call) =>
      authorizedRequest(registry.get(given.credential), http, given, {
        signal: call.signal,
        ...(given.stream ? { stream: sinkOf(call) } : {}),
      }),
    "credentials/add": (given, { signal }) => admin.add(given, signal),
    "credentials/set": (given, { signal }) => admin.set(given, signal),
    "credentials/trust": ({ credential }) => admin.trust(credential),
    "credentials/refresh": ({ credential }, { signal }) => admin.refresh(credential, signal),
    "credentials/show": ({ credential }) => registry.info(credential),
    "credentials/test": ({ credential }, { signal }) => admin.test(credential, signal),
    "credentials/remove": async ({ credential }) => {
      await admin.remove(credential);
      return {};
    },
    "credentials/list": () => ({ credentials: registry.infos() }),
    status,
    reload: () => admin.reload(),
    subscribe: ({ credential }, call) => {
      if (credential !== undefined) registry.info(credential);
      subscriptions.add(call, credential);
      return {};
    },
    unsubscribe: ({ credential }, call) => {
      subscriptions.remove(call, credential);
      return {};
    },
    shutdown: () => {
      shutdown();
      return {};
    },
  };
}

/** Synchronous when the token is cached: the answer is not a promise then. */
function getToken(
  registry: Registry,
  given: CheckedParams<"getToken">,
  call: Call,
): GetTokenResult | Promise<GetTokenResult> {
  const issued = registry.get(given.credential).token(new Want(given, call));
  return issued instanceof Promise ? issued.then(({ answer }) => answer) : issued.answer;
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
