import type { Access } from "../access/access.ts";
import type { ApprovalService } from "../access/approvals/approval-service.ts";
import type { Registry } from "../credential/registry.ts";
import type { Method } from "../protocol.ts";
import type { Call } from "../rpc/call.ts";
import { check, type Interceptor } from "../rpc/compose.ts";

/** Methods that are for the daemon's own user and root alone. */
const DAEMON_USER_METHODS = [
  ...["credentials/add", "credentials/set", "credentials/trust", "credentials/refresh"],
  ...["credentials/discover", "credentials/introspect"],
  ...["login/start", "login/finish", "login/cancel", "credentials/logout"],
  ...["credentials/test", "credentials/remove", "events", "reload", "vault/export"],
  ...["vault/upload", "vault/import", "vault/rekey", "lock", "unlock", "audit/head", "health"],
  ...[
    "vault/move",
    "fleet/invite",
    "fleet/key",
    "fleet/join",
    "fleet/status",
    "fleet/drain",
    "fleet/remove",
  ],
  ...["tokenFiles/add", "tokenFiles/list", "tokenFiles/remove"],
] as const satisfies Method[];

/**
 * Refuses callers that may not call a method at all, or know of its credential. A caller's rules for a
 * credential are checked by the handlers, which know what it is to be used for.
 */
export function callerInterceptor(
  access: Access,
  approvals: Pick<ApprovalService, "isOpenTo">,
  registry: Registry,
): Interceptor {
  const daemonUser = (method: Method) => (_: unknown, call: Call) =>
    access.assertDaemonUser(method, call);
  const answerer = (method: Method) => (_: unknown, call: Call) => {
    if (!approvals.isOpenTo(call)) access.assertDaemonUser(method, call);
  };
  /** Another user learns nothing of a credential that no rule lets it use, nor whether there is one. */
  const credentialUser = ({ credential: name }: { credential: string }, call: Call) => {
    if (access.isDaemonUser(call)) return;
    if (!registry.hasLoaded(name)) access.assertMayLearnName(name, call);
    access.assertMayUse(registry.get(name), call);
  };
  return check({
    ...Object.fromEntries(DAEMON_USER_METHODS.map((method) => [method, daemonUser(method)])),
    getToken: credentialUser,
    authorizedRequest: credentialUser,
    "credentials/show": credentialUser,
    "approvals/pending": answerer("approvals/pending"),
    "approvals/answer": answerer("approvals/answer"),
    unsubscribe: answerer("unsubscribe"),
    subscribe: ({ approvals: questions = false }: { approvals?: boolean }, call) => {
      if (!questions || !approvals.isOpenTo(call)) access.assertDaemonUser("subscribe", call);
    },
    shutdown: ({ daemon = false }: { daemon?: boolean }, call) => {
      if (daemon) access.assertDaemonUser("shutdown", call);
    },
  });
}
