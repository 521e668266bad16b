import { credentialFileNames } from "../config/config.ts";
import type { CredentialRecord } from "../credential/record.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError } from "../errors.ts";
import { assertStrong } from "../vault/passphrase-strength.ts";
import type { ManagedVault } from "../vault/vault.ts";
import type { Admin } from "./admin.ts";
import type { ImportJournal } from "./import-journal.ts";

/** Shared by export, import and rekeying. */
export interface BackupContext {
  env: NodeJS.ProcessEnv;
  /** Configuration folder. */
  dir: string;
  admin: Pick<Admin, "changes" | "reloader">;
  importJournal: ImportJournal;
  registry: Registry;
  vault: ManagedVault<CredentialRecord>;
}

/** Returns every name: with or without a file or a sealed record, usable or not. */
export function allNames({ registry, vault, dir }: BackupContext): string[] {
  const known = registry.infos().map(({ name }) => name);
  return [...new Set([...known, ...vault.names(), ...credentialFileNames(dir)])].sort();
}

/** Returns those whose refresh token rotates. */
export function rotatingOf({ registry }: BackupContext, names: readonly string[]): string[] {
  return names.filter(
    (name) => registry.hasLoaded(name) && registry.get(name).rotates !== undefined,
  );
}

/** Throws AuthdError `invalid_params` unless a new passphrase is given that is not guessed in no time. */
export function assertNewPassphrase(passphrase: string | undefined): asserts passphrase is string {
  if (!passphrase) {
    throw new AuthdError("invalid_params", "A passphrase is needed, and it must not be empty.");
  }
  assertStrong(passphrase);
}
