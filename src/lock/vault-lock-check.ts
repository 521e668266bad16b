import type { Access } from "../access/access.ts";
import type { Registry } from "../credential/registry.ts";
import type { Call, Handlers, HandlersWithoutUploads } from "../rpc/call.ts";
import { isOwnPeer } from "../rpc/peer.ts";
import type { VaultLocker } from "./vault-locker.ts";

/** Methods about one existing credential that need the vault's key. */
const CREDENTIAL_METHODS = [
  "credentials/set",
  "credentials/trust",
  "credentials/refresh",
  "credentials/test",
  "credentials/remove",
] as const;
/** Other methods that need the vault's key. */
const VAULT_METHODS = ["credentials/add", "vault/export", "vault/import", "vault/rekey"] as const;

/**
 * Wraps handlers: while the vault is locked they answer `vault_locked` at once, before rules are checked
 * or a person is asked. Also restarts the idle timer when a credential is used.
 */
export function withVaultLockCheck(
  lock: Pick<VaultLocker, "use" | "assertOpen">,
  registry: Pick<Registry, "hasLoaded" | "get">,
  access: Pick<Access, "mayUse">,
  handlers: HandlersWithoutUploads,
): HandlersWithoutUploads {
  const use = (name: string, call: Call) => {
    const isOwn = isOwnPeer(call.peer);
    const isUsed = registry.hasLoaded(name) && (isOwn || access.mayUse(registry.get(name), call));
    if (isUsed) lock.use(name);
    // A locked vault does not tell other users which names exist; nor do they keep it open.
    else if (!isOwn) lock.assertOpen(name);
  };
  const checked: HandlersWithoutUploads = {
    ...handlers,
    getToken: (given, call) => {
      use(given.credential, call);
      return handlers.getToken(given, call);
    },
    authorizedRequest: (given, call) => {
      use(given.credential, call);
      return handlers.authorizedRequest(given, call);
    },
  };
  for (const method of CREDENTIAL_METHODS) {
    const handle = handlers[method] as Handlers["credentials/set"];
    Object.assign(checked, {
      [method]: ((given, call) => {
        // Other users may not call it: that is their error, whatever the vault's state.
        const isKnown = isOwnPeer(call.peer) && registry.hasLoaded(given.credential);
        if (isKnown) lock.assertOpen(given.credential);
        return handle(given, call);
      }) satisfies Handlers["credentials/set"],
    });
  }
  for (const method of VAULT_METHODS) {
    const handle = handlers[method] as Handlers["vault/rekey"];
    Object.assign(checked, {
      [method]: ((given, call) => {
        if (isOwnPeer(call.peer)) lock.assertOpen();
        return handle(given, call);
      }) satisfies Handlers["vault/rekey"],
    });
  }
  return checked;
}
