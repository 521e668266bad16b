import type { Access } from "../access/access.ts";
import type { Registry } from "../credential/registry.ts";
import type { Call } from "../rpc/call.ts";
import { check, type Interceptor } from "../rpc/compose.ts";
import { isOwnPeer } from "../rpc/peer.ts";
import type { VaultLocker } from "./vault-locker.ts";

/**
 * Answers `vault_locked` at once while the vault is locked, before rules are checked or a person is asked.
 * Also restarts the idle timer when a credential is used.
 */
export function vaultLockInterceptor(
  lock: Pick<VaultLocker, "use" | "assertOpen">,
  registry: Pick<Registry, "hasLoaded" | "get">,
  access: Pick<Access, "mayUse">,
): Interceptor {
  const use = ({ credential: name }: { credential: string }, call: Call) => {
    const isOwn = isOwnPeer(call.peer);
    const isUsed = registry.hasLoaded(name) && (isOwn || access.mayUse(registry.get(name), call));
    if (isUsed) lock.use(name);
    // A locked vault does not tell other users which names exist; nor do they keep it open.
    else if (!isOwn) lock.assertOpen(name);
  };
  const credentialOpen = ({ credential }: { credential: string }, { peer }: Call) => {
    // Other users may not call these methods: that is their error, whatever the vault's state.
    if (isOwnPeer(peer) && registry.hasLoaded(credential)) lock.assertOpen(credential);
  };
  const vaultOpen = (_: unknown, { peer }: Call) => {
    if (isOwnPeer(peer)) lock.assertOpen();
  };
  return check({
    getToken: use,
    authorizedRequest: use,
    "credentials/set": credentialOpen,
    "credentials/trust": credentialOpen,
    "credentials/refresh": credentialOpen,
    "credentials/introspect": credentialOpen,
    "credentials/test": credentialOpen,
    "credentials/remove": credentialOpen,
    "credentials/logout": credentialOpen,
    "tokenFiles/add": credentialOpen,
    "tokenFiles/remove": vaultOpen,
    "login/start": credentialOpen,
    "login/finish": vaultOpen,
    "credentials/add": vaultOpen,
    "vault/export": vaultOpen,
    "vault/import": vaultOpen,
    "vault/rekey": vaultOpen,
    "vault/move": vaultOpen,
    "fleet/invite": vaultOpen,
    "fleet/key": vaultOpen,
    "fleet/join": vaultOpen,
    "fleet/remove": vaultOpen,
  });
}
