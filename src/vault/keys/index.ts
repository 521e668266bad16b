import type { KeySource } from "../vault.ts";
import { fileKey } from "./file.ts";
import type { KeyProvider } from "./key-source.ts";
import { keychainKey } from "./keychain.ts";
import { passphraseKey } from "./passphrase.ts";
import { systemdCredentialKey } from "./systemd-credential.ts";

/** The table of key sources. */
export const keyProviders = {
  keychain: keychainKey,
  passphrase: passphraseKey,
  "systemd-credential": systemdCredentialKey,
  file: fileKey,
} as const satisfies Record<KeySource, KeyProvider>;
