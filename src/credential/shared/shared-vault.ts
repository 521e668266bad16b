import type { ManagedVault } from "../../vault/vault.ts";
import type { CredentialRecord } from "../record.ts";
import { putShared, removeShared } from "./shared-changes.ts";
import type { SharedRecords } from "./shared-records.ts";

/**
 * Returns the vault for whoever adds, replaces and removes credentials: those changes go into the store as well,
 * where `shared` returns one. A credential in memory changes by itself (see `SharedRecords.change`), and has the
 * vault as it is.
 */
export function sharedVault(
  vault: ManagedVault<CredentialRecord>,
  shared: () => SharedRecords | undefined,
): ManagedVault<CredentialRecord> {
  const own: Pick<typeof vault, "write" | "remove"> = {
    async write(name, content, options) {
      const records = options.isChange ? shared() : undefined;
      const write = (placed: CredentialRecord) => vault.write(name, placed, options);
      await (records ? putShared(records, name, content, write) : write(content));
    },
    async remove(name) {
      const records = shared();
      const remove = () => vault.remove(name);
      await (records ? removeShared(records, name, remove) : remove());
    },
  };
  return new Proxy(vault, {
    get(target, key) {
      if (key === "write" || key === "remove") return own[key];
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
