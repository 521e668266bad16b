import { join } from "node:path";
import { createFile } from "../base/atomic-write.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { errorCode, messageOf } from "../errors.ts";
import { keyProviders } from "./keys/index.ts";
import { locked, type ScryptParameters } from "./keys/key-source.ts";
import { decrypt, encrypt, FORMAT } from "./sealed-file.ts";
import type { KeySource } from "./vault.ts";

/** The content of `vault.json`: names the key that seals the vault's files. It holds no secret. */
export interface VaultHeader {
  readonly format: number;
  /** Names the key; every sealed file repeats it. It is also the keychain's account. */
  readonly keyId: string;
  readonly keySource: KeySource;
  /** Present for the source `passphrase` only. */
  readonly scrypt?: ScryptParameters;
  /** An empty text, sealed with the key under the members above, in base64: tells a right key from a wrong one. */
  readonly check: string;
}

export const headerPath = (dir: string) => join(dir, "vault.json");

export function newHeader(
  key: Buffer,
  members: { keyId: string; keySource: KeySource; scrypt?: ScryptParameters },
): VaultHeader {
  const header = { format: FORMAT, ...members };
  const check = encrypt(key, checkedMembers(header), Buffer.alloc(0)).toString("base64");
  return { ...header, check };
}

export function isRightKey(header: VaultHeader, key: Buffer): boolean {
  const check = Buffer.from(header.check, "base64");
  return decrypt(key, checkedMembers(header), check) !== undefined;
}

/** The members that the check protects, in a fixed order. */
function checkedMembers({ format, keyId, keySource, scrypt }: Omit<VaultHeader, "check">): string {
  const cost = scrypt && [scrypt.N, scrypt.r, scrypt.p, scrypt.salt];
  return JSON.stringify(["authd vault", format, keyId, keySource, ...(cost ?? [])]);
}

/** Returns the content of vault.json. */
export function headerText(header: VaultHeader): string {
  return `${JSON.stringify(header, null, 2)}\n`;
}

/** Writes vault.json, durably. Rejects with EEXIST if there is one: a vault is never given another key. */
export async function writeHeader(dir: string, header: VaultHeader): Promise<void> {
  await createFile(headerPath(dir), headerText(header));
}

/** Larger than any vault.json that authd writes. */
const MAX_BYTES = 64 * 1024;

/** Reads vault.json; undefined if there is none. Throws AuthdError `vault_locked` if it is damaged. */
export function readHeader(dir: string): VaultHeader | undefined {
  const path = headerPath(dir);
  let text: string;
  try {
    text = readRegularFile(path, MAX_BYTES).toString();
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw locked(`${path} can't be read: ${messageOf(cause)}`, cause);
  }
  const header = parseHeader(text);
  if (header && header.format > FORMAT) {
    throw locked(`${path} was made by a newer authd. Update authd to open this vault`);
  }
  if (header && isComplete(header)) return header;
  throw locked(
    `${path} is damaged. Put it back from a backup: it says how to find the vault's key`,
  );
}

/** Returns the key source that an existing vault names, also while its key is not available. */
export function statedSource(dir: string): KeySource | undefined {
  try {
    return readHeader(dir)?.keySource;
  } catch {
    return undefined;
  }
}

/** Parses vault.json; only `format` is checkedMembers. */
function parseHeader(text: string): (Partial<VaultHeader> & { format: number }) | undefined {
  try {
    const header = JSON.parse(text);
    return Number.isSafeInteger(header?.format) ? header : undefined;
  } catch {
    return undefined;
  }
}

function isComplete(header: Partial<VaultHeader>): header is VaultHeader {
  return (
    header.format === FORMAT &&
    typeof header.keyId === "string" &&
    typeof header.check === "string" &&
    typeof header.keySource === "string" &&
    Object.hasOwn(keyProviders, header.keySource) &&
    (header.scrypt === undefined || typeof header.scrypt?.salt === "string")
  );
}
