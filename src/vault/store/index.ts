import { AuthdError } from "../../errors.ts";
import type { Store } from "./store.ts";

export {
  type FleetKey,
  newFleetKey,
  openPayload,
  payloadKeyId,
  sealPayload,
  tokenDigest,
} from "./fleet-key.ts";
export { holderOf, hostOfHolder } from "./holder.ts";
export { hostKeyOwner, makeHostKey } from "./host-key.ts";
export { goingWith, isKey } from "./key-rows.ts";
export * from "./membership.ts";
export type * from "./store.ts";
export { StoreRefusal, StoreUnknown } from "./store-refusal.ts";
export * from "./wrapped-keys.ts";

export interface StoreAddress {
  /** `postgres://role@host/database`, or `file:///folder`. */
  url: string;
  /** Asked for each connection. */
  password?: () => string;
  /** PEM of the CA that the server's certificate is from. */
  ca?: string;
}

/** Opens a store. Rejects with AuthdError: `invalid_params` for an address of neither kind. */
export async function openStore({ url, ...rest }: StoreAddress): Promise<Store> {
  if (url.startsWith("file:")) {
    const folder = await folderOf(url);
    const { FileStore } = await import("./file-store.ts");
    return new FileStore(folder);
  }
  const { PostgresStore } = await import("./postgres/postgres-store.ts");
  return await PostgresStore.open({ url, ...rest });
}

async function folderOf(url: string): Promise<string> {
  const { fileURLToPath } = await import("node:url");
  try {
    return fileURLToPath(url);
  } catch (cause) {
    const text = "The store's address is not used: expected file:///folder.";
    throw new AuthdError("invalid_params", text, { cause });
  }
}
