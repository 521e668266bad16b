import { randomBytes, scrypt } from "node:crypto";
import { KEY_BYTES, locked, type ScryptParameters } from "./keys/key-source.ts";

/** Parameters of new keys: each guess takes 128 MiB and some tenths of a second. */
const COST = { N: 2 ** 17, r: 8, p: 1 };
/** Most memory that given parameters may take: 1 GiB for vault.json, 256 MiB for an export that a client uploads. */
export const MOST_N = { vault: 2 ** 20, export: 2 ** 18 } as const;

export function newParameters(): ScryptParameters {
  return { ...COST, salt: randomBytes(16).toString("base64") };
}

/** Checks parameters, which are read before they are authenticated: edited ones must not use up the memory. */
export function acceptable({ N, r, p, salt }: ScryptParameters, mostN: number): boolean {
  const isCost = Number.isSafeInteger(N) && Number.isInteger(Math.log2(N));
  if (!isCost || N < 2 ** 14 || N > mostN) return false;
  return r === 8 && Number.isInteger(p) && p >= 1 && p <= 4 && typeof salt === "string";
}

/** Derives a key, off the main thread. NFC, because systems compose the characters of one text differently. */
export function derive(passphrase: string, { N, r, p, salt }: ScryptParameters): Promise<Buffer> {
  // Node refuses more than 32 MiB unless told; scrypt needs a little more than 128 * N * r.
  const options = { N, r, p, maxmem: 2 * 128 * N * r };
  return new Promise((done, failed) => {
    const bytes = Buffer.from(salt, "base64");
    scrypt(passphrase.normalize("NFC"), bytes, KEY_BYTES, options, (error, key) =>
      error ? failed(locked(`scrypt failed: ${error.message}`)) : done(key),
    );
  });
}
