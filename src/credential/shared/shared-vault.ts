import type { ManagedVault } from "../../vault/vault.ts";
import type { CredentialRecord } from "../record.ts";
import { isAlone, placeAlone } from "./alone.ts";
import type { SharedRecords } from "./shared-records.ts";

interface SharedPlaces {
  records: () => SharedRecords | undefined;
  /** Returns the address of the store that config.toml names no more. */
  formerStore: () => string | undefined;
}

/**
 * Returns the vault for whoever adds, replaces and removes credentials: those changes go into the store as well,
 * where `records` returns one; what is added while there is a `formerStore` is this host's own. A credential in memory
 * changes by itself (see `SharedRecords.change`), and has the vault as it is.
 */
export function sharedVault(
  vault: ManagedVault<CredentialRecord>,
  places: SharedPlaces,
): ManagedVault<CredentialRecord> {
  const isOwn = ({ clashes }: SharedRecords, name: string) => {
    try {
      return isAlone(vault.read(name));
    } catch {
      return clashes.has(name);
    }
  };
  const own: Pick<typeof vault, "write" | "remove"> = {
    async write(name, content, options) {
      const records = options.isChange ? places.records() : undefined;
      const write = (placed: CredentialRecord) => vault.write(name, placed, options);
      if (!records) {
        const staysHere = options.isChange && places.formerStore() !== undefined;
        const shared = placeAlone(content.boundValues?.group);
        return await write(staysHere ? { ...content, shared } : content);
      }
      const { putShared } = await import("./shared-changes.ts");
      await putShared(records, name, content, write);
    },
    async remove(name) {
      const records = places.records();
      const remove = () => vault.remove(name);
      if (!records) return await remove();
      if (isOwn(records, name)) {
        await remove();
        return records.takeLater(name);
      }
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
