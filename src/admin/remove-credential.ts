import { removeCredentialFile } from "../config/config.ts";
import type { AdminContext } from "./admin-context.ts";

/**
 * Removes a credential: its sealed record, its file, and what is in memory. Runs in a turn. Rejects with
 * AuthdError `unknown_credential` if there is none.
 */
export async function removeCredential(context: AdminContext, name: string): Promise<void> {
  const { registry, vault, dir, onEvent } = context;
  const credential = registry.hasLoaded(name) ? registry.get(name) : undefined;
  if (!registry.hasAny(name)) registry.get(name);
  // A token that arrives meanwhile is not written after the removal.
  const undo = credential?.detach();
  try {
    // The secrets go first: a leftover file does no harm.
    await vault.remove(name);
    removeCredentialFile(dir, name);
  } catch (error) {
    undo?.();
    throw error;
  }
  registry.delete(name);
  onEvent({ kind: "removed", credential: name });
}
