import { credentialFileAsItIs, writeCredentialFile } from "../config/config.ts";
import type { CredentialRecord } from "../credential/record.ts";
import type { Registry } from "../credential/registry.ts";
import type { SharedOwner } from "../credential/shared/shared-owner.ts";
import type { ManagedVault } from "../vault/vault.ts";
import type { Admin } from "./admin.ts";

export interface SharedCredentialsOptions {
  /** The configuration folder. */
  dir: string;
  registry: Registry;
  /** As it is on this host. */
  vault: ManagedVault<CredentialRecord>;
  admin: Admin;
}

/**
 * Returns what the shared records do with this host's credentials. One that this host lacks is made with the other
 * host's file; where there is a file, it stays as it is.
 */
export function sharedCredentials(options: SharedCredentialsOptions): SharedOwner {
  const { dir, registry, vault, admin } = options;
  return {
    find: (name) => registry.findShared(name),
    names: () => registry.all().map(({ name }) => name),
    fileOf: (name) => credentialFileAsItIs(dir, name),
    get isLocked() {
      return vault.locked !== undefined;
    },
    async add(name, { file, record }) {
      const isThere = credentialFileAsItIs(dir, name) !== undefined;
      if (!isThere && file !== undefined) writeCredentialFile(dir, name, file);
      await vault.write(name, record, { durable: true, replaceDamaged: true, isChange: true });
      // A file of this host's own that can't be used is read when it was mended.
      if (!isThere && file !== undefined) registry.add(admin.reloader.settingsFrom(name, file));
    },
    remove: (name) => admin.removeShared(name, vault),
  };
}
