import { randomBytes } from "node:crypto";
import { removeLeftovers } from "../base/atomic-write.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { makePrivateFolder } from "../base/private-folder.ts";
import { lockVault } from "./file-lock.ts";
import { statedSource } from "./header.ts";
import type { KeyContext } from "./keys/key-source.ts";
import type { Rebuilt } from "./manifest-loader.ts";
import { moveIntoPlace } from "./rekey-leftovers.ts";
import { type KeyFinder, SealedVault } from "./sealed-vault.ts";
import type { KeySource, ManagedVault } from "./vault.ts";
import { VaultDirectory } from "./vault-directory.ts";
import { findKey, refuseOther, type VaultLog } from "./vault-key.ts";

export { openExport, sealExport } from "./export-file.ts";
export type { Rebuilt } from "./manifest-loader.ts";

export interface VaultOptions<Content extends object = object> {
  /** The vault's own folder (`<state dir>/vault`); made if missing. */
  dir: string;
  /** The source of a new vault's key. An existing vault keeps its own: any other but `auto` is an error. */
  keySource: KeySource | "auto";
  /** Passed to the keychain's process, and read for $CREDENTIALS_DIRECTORY. */
  env: NodeJS.ProcessEnv;
  /** Asks a person, each time the key is looked for: at open and in every `unlock()`. */
  passphrase?: KeyContext["askPassphrase"];
  log: VaultLog;
  /** True for content that programs are kept from; unless given, for none. */
  isGuarded?(content: Content): boolean;
  /** Called when the manifest was missing or unusable, and was made from the sealed files; it is logged anyway. */
  onRebuilt?(rebuilt: Rebuilt): void;
}

/**
 * Opens the vault in `dir`, or makes one:
 *
 *     vault.json     source and id of the key, see header.ts
 *     key            the key itself, if its source is `file`
 *     lock           flock(2) of the one daemon that has the vault open, see file-lock.ts
 *     NAME.sealed    one a credential, see sealed-file.ts
 *     manifest       the newest generation of each, see manifest.ts
 *     NAME.damaged-… a file that could not be opened when NAME was entered anew or removed
 *     intent         an import under way, to be completed after a crash, see journal.ts
 *     instance       id of the folder in a store that hosts share, see daemon/fleet/instance.ts
 *     rekey.…/       all of this sealed with another key, see rekey.ts
 *
 * A vault whose key is not available is returned locked. Rejects with AuthdError `internal` if the
 * folder can't be used or another daemon has it open, `invalid_params` if the vault's key comes
 * from another source than `keySource`.
 */
export async function openVault<Content extends object>(
  options: VaultOptions<Content>,
): Promise<ManagedVault<Content>> {
  const { dir, env, log } = options;
  makePrivateFolder(dir);
  const directory = new VaultDirectory(dir, await lockVault(dir), log);
  try {
    removeLeftovers(dir);
    const newContext = (): KeyContext => ({
      dir,
      env,
      keyId: randomBytes(8).toString("hex"),
      askPassphrase: options.passphrase ?? (async () => undefined),
    });
    // Done before anything looks for the key; if it fails, the vault is locked and says why.
    attempt(() => moveIntoPlace(dir));
    const stated = statedSource(dir);
    if (stated) refuseOther(options.keySource, stated, dir);
    const expected = stated ?? (options.keySource === "auto" ? "file" : options.keySource);
    const lookForKey: KeyFinder["lookForKey"] = async (known, passphrase) => {
      if (!known) moveIntoPlace(dir);
      const context = omitUndefined({ ...newContext(), passphrase });
      return await findKey(options.keySource, context, log, known);
    };
    const finder = { lookForKey, newContext };
    const vault = new SealedVault<Content>(directory, expected, finder, {
      log,
      isGuarded: (content) => options.isGuarded?.(content) ?? false,
      onRebuilt: (rebuilt) => {
        log[rebuilt.isSuspect ? "warn" : "info"](rebuilt.message);
        options.onRebuilt?.(rebuilt);
      },
    });
    await vault.unlock();
    return vault;
  } catch (error) {
    await directory.release();
    throw error;
  }
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {}
}
