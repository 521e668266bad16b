import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { unseal } from "../../src/vault/sealed-file.ts";

/** What is sealed on disk for a credential, whether a daemon runs or not; for vaults with a key file. */
export function sealedRecord(vaultDir: string, name: string): CredentialRecord {
  return openSealed(vaultDir, name, readFileSync(join(vaultDir, `${name}.sealed`)));
}

/** The same from the bytes of a sealed file. Throws AuthdError `credential_damaged`. */
export function openSealed(vaultDir: string, name: string, bytes: Buffer): CredentialRecord {
  const key = Buffer.from(readFileSync(join(vaultDir, "key"), "utf8"), "base64");
  const { keyId } = JSON.parse(readFileSync(join(vaultDir, "vault.json"), "utf8"));
  return JSON.parse(unseal(key, keyId, name, bytes).toString()) as CredentialRecord;
}
