import type { Access } from "../access/access.ts";
import type { Registry } from "../credential/registry.ts";
import type { Call, Handlers, HandlersWithoutUploads } from "../rpc/call.ts";
import { isOwnPeer } from "../rpc/peer.ts";
import type { VaultLocker } from "./vault-locker.ts";

/** What takes the vault's key, and is about a credential that there is. */
const ABOUT_ONE = [
  "credentials/set",
  "credentials/trust",
  "credentials/refresh",
  "credentials/test",
  "credentials/remove",
] as const;
/** What takes the vault's key. */
const ABOUT_ALL = ["credentials/add", "vault/export", "vault/import", "vault/rekey"] as const;

/**
 * The same handlers, but while the vault is locked they answer `vault_locked` at once: no rule is looked
 * at, and no person asked. Also notes when credentials are used.
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
    // Other users are not to learn from a locked vault which names there are, nor to keep it open.
    else if (!isOwn) lock.assertOpen(name);
  };
  const guarded: HandlersWithoutUploads = {
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
  for (const method of ABOUT_ONE) {
    const handle = handlers[method] as Handlers["credentials/set"];
    Object.assign(guarded, {
      [method]: ((given, call) => {
        // Other users may not call it, and are told so before anything about the vault.
        const isKnown = isOwnPeer(call.peer) && registry.hasLoaded(given.credential);
        if (isKnown) lock.assertOpen(given.credential);
        return handle(given, call);
      }) satisfies Handlers["credentials/set"],
    });
  }
  for (const method of ABOUT_ALL) {
    const handle = handlers[method] as Handlers["vault/rekey"];
    Object.assign(guarded, {
      [method]: ((given, call) => {
        if (isOwnPeer(call.peer)) lock.assertOpen();
        return handle(given, call);
      }) satisfies Handlers["vault/rekey"],
    });
  }
  return guarded;
}
