import type { ManagedVault } from "../../vault/vault.ts";
import type { CredentialRecord } from "../record.ts";
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
      if (!records) return await write(content);
      const { putShared } = await import("./shared-changes.ts");
      await putShared(records, name, content, write);
    },
    async remove(name) {
      const records = shared();
      const remove = () => vault.remove(name);
      if (!records) return await remove();
      const { removeShared } = await import("./shared-changes.ts");
      await removeShared(records, name, remove);
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
