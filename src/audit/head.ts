import { createHmac, timingSafeEqual } from "node:crypto";
import { closeSync, constants, readFileSync } from "node:fs";
import { replaceFile } from "../atomic-write.ts";
import type { AuditHead } from "./entry.ts";
import { openOurs } from "./files.ts";

/** What the vault's key is asked for. */
export const PURPOSE = "authd audit head";

/** Beside the log. */
export function headPath(path: string): string {
  return path.replace(/\.log$/, ".head");
}

/** A key that only who has the vault's key can make, and which of its keys that is. */
export interface HeadKey {
  readonly key: Buffer;
  readonly keyId: string;
}

/** `audit.head`: how far the log went, vouched for with the vault's key. */
interface SealedHead extends AuditHead {
  readonly v: 1;
  readonly keyId: string;
  readonly mac: string;
}

export type HeadFinding =
  | { readonly is: "absent" | "damaged" | "other-key" | "forged" }
  | { readonly is: "sound"; readonly head: AuditHead };

/** Throws what the file system says, but for a missing file. */
export function readHead(path: string, key: HeadKey): HeadFinding {
  let text: string;
  try {
    const fd = openOurs(path, constants.O_RDONLY);
    try {
      text = readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { is: "absent" };
    throw error;
  }
  const sealed = parse(text);
  if (!sealed) return { is: "damaged" };
  if (sealed.keyId !== key.keyId) return { is: "other-key" };
  const expected = Buffer.from(macOf(sealed, key));
  const given = Buffer.from(String(sealed.mac));
  const isSound = expected.length === given.length && timingSafeEqual(expected, given);
  return isSound ? { is: "sound", head: sealed } : { is: "forged" };
}

/** Replaces it as a whole, on the disk before it is in place. */
export async function writeHead(path: string, head: AuditHead, key: HeadKey): Promise<void> {
  const { n, hash, first } = head;
  const { keyId } = key;
  const sealed: SealedHead = { v: 1, n, hash, first, keyId, mac: macOf({ ...head, keyId }, key) };
  await replaceFile(path, Buffer.from(`${JSON.stringify(sealed)}\n`), { durable: false });
}

function macOf({ n, hash, first, keyId }: AuditHead & { keyId: string }, { key }: HeadKey): string {
  return createHmac("sha256", key)
    .update(JSON.stringify([n, hash, first, keyId]))
    .digest("hex");
}

function parse(text: string): SealedHead | undefined {
  try {
    const sealed = JSON.parse(text) as SealedHead | null;
    return sealed?.v === 1 && Number.isSafeInteger(sealed.n) ? sealed : undefined;
  } catch {
    return undefined;
  }
}
