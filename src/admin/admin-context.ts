import type { CredentialRecord } from "../credential/record.ts";
import type { Http } from "../http/http.ts";
import type { Vault } from "../vault/vault.ts";
import type { ChangeQueue } from "./change-queue.ts";
import type { Reloader, ReloaderOptions } from "./reloader.ts";

export interface AdminOptions extends ReloaderOptions {
  vault: Vault<CredentialRecord>;
  http: Http;
  /** Throws AuthdError `vault_locked` while the vault is locked, or just being locked. */
  assertOpen: () => void;
  /** Wall clock, ms. */
  now: () => number;
}

/** Shared by everything that changes credentials. */
export interface AdminContext
  extends Pick<AdminOptions, "registry" | "vault" | "http" | "log" | "now" | "onEvent"> {
  /** Configuration folder. */
  dir: string;
  changes: ChangeQueue;
  reloader: Reloader;
}
