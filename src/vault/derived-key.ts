import { hkdfSync } from "node:crypto";

const BYTES = 32;

/** Returns a key for one purpose, from which the vault's can't be found (HKDF, RFC 5869). */
export function derivedKey(key: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), purpose, BYTES));
}

/** Returns the key that seals the record of one credential alone: see `RECORD_ALGORITHM`. */
export function recordKey(key: Buffer, name: string): Buffer {
  return derivedKey(key, `authd record\n${name}`);
}
