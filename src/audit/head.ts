/**
 * Two signed files beside the log tell how far it went, signed with a key of the vault's, in two files beside it. `audit.head`
 * is on the disk before it is in place: a power cut costs none of what it tells. `audit.last` is written
 * with every batch of lines and left to the system's cache, which a killed process does not take along:
 * it counts in the same boot of the machine only.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { closeSync, constants, readFileSync } from "node:fs";
import { replaceFile } from "../base/atomic-write.ts";
import { errorCode } from "../errors.ts";
import type { AuditHead } from "./entry.ts";
import { openOwnedFile } from "./files.ts";

/** Purpose for which the vault's key makes one. */
export const PURPOSE = "authd audit head";

const FILES = { head: ".head", last: ".last" } as const;
type Which = keyof typeof FILES;

/** Returns the path of a file beside the log. */
export function pathOf(which: Which, log: string): string {
  return log.replace(/\.log$/, FILES[which]);
}

/** A key that only who has the vault's key can make, and which of its keys that is. */
export interface HeadKey {
  readonly key: Buffer;
  readonly keyId: string;
}

/** Content of one of the two files. */
interface SignedHead extends AuditHead {
  readonly v: 1;
  readonly keyId: string;
  /** The boot of the machine; absent in an `audit.head` from before there was an `audit.last`. */
  readonly boot?: string;
  readonly mac: string;
}

type Finding =
  | { readonly is: "absent" | "damaged" | "other-key" | "forged" }
  | { readonly is: "sound"; readonly head: SignedHead };

/** The newest end of the log that is known, or why none is: `wrong` is a sentence without its full stop. */
export type KnownEnd =
  | { readonly head: AuditHead; readonly from: "audit.head" | "audit.last" }
  | { readonly is: "absent" | "damaged" | "other-key" | "forged"; readonly wrong: string };

/** Throws what the file system says, but for missing files. */
export function readEnd(log: string, key: HeadKey, bootId: string): KnownEnd {
  const head = read("head", log, key);
  const last = read("last", log, key);
  const isOfThisBoot = (finding: Finding) =>
    bootId !== "" && finding.is === "sound" && finding.head.boot === bootId;
  if (last.is === "sound" && isOfThisBoot(last)) {
    // An older copy of audit.last, put back, does not hide what audit.head tells.
    const isOlder = head.is === "sound" && head.head.n > last.head.n;
    return isOlder
      ? { head: head.head, from: "audit.head" }
      : { head: last.head, from: "audit.last" };
  }
  if (head.is !== "sound") return { is: head.is, wrong: WRONG[head.is]("audit.head") };
  if (!isOfThisBoot(head)) return { head: head.head, from: "audit.head" };
  // Whoever wrote that one has written the other one first.
  const is = last.is === "sound" ? "absent" : last.is;
  return { is, wrong: WRONG[is]("audit.last") };
}

const WRONG = {
  absent: (file: string) =>
    `${file} is missing: it was removed, or no daemon before this one had the vault's key`,
  // The next one is made with the new key.
  "other-key": (file: string) =>
    `${file} was made with another key: it was replaced, or the daemon was killed right after authd vault rekey`,
  damaged: (file: string) => `${file} is damaged`,
  forged: (file: string) => `${file} was not made by this vault's daemon`,
} as const;

function read(which: Which, log: string, key: HeadKey): Finding {
  let text: string;
  try {
    const fd = openOwnedFile(pathOf(which, log), constants.O_RDONLY);
    try {
      text = readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { is: "absent" };
    throw error;
  }
  const signed = parse(text);
  if (!signed) return { is: "damaged" };
  if (signed.keyId !== key.keyId) return { is: "other-key" };
  const expected = Buffer.from(macOf(which, signed, key));
  const given = Buffer.from(String(signed.mac));
  const isSound = expected.length === given.length && timingSafeEqual(expected, given);
  return isSound ? { is: "sound", head: signed } : { is: "forged" };
}

/** Replaces `audit.head` as a whole, on the disk before it is in place. */
export async function writeHead(
  log: string,
  head: AuditHead,
  key: HeadKey,
  boot: string,
): Promise<void> {
  await replaceFile(pathOf("head", log), textOf("head", head, key, boot), { sync: "content" });
}

/** The content of one of the files. */
export function textOf(which: Which, head: AuditHead, key: HeadKey, boot: string): string {
  const { n, hash, first } = head;
  const unsigned = { v: 1, n, hash, first, keyId: key.keyId, boot } as const;
  const signed: SignedHead = { ...unsigned, mac: macOf(which, unsigned, key) };
  return `${JSON.stringify(signed)}\n`;
}

/** Signs the file's kind, too, so that one does not pass for the other. */
function macOf(
  which: Which,
  { n, hash, first, keyId, boot }: Omit<SignedHead, "v" | "mac">,
  { key }: HeadKey,
): string {
  const members = [n, hash, first, keyId, ...(boot === undefined ? [] : [boot])];
  const signed = which === "head" ? members : [which, ...members];
  return createHmac("sha256", key).update(JSON.stringify(signed)).digest("hex");
}

function parse(text: string): SignedHead | undefined {
  try {
    const signed = JSON.parse(text) as SignedHead | null;
    return signed?.v === 1 && Number.isSafeInteger(signed.n) ? signed : undefined;
  } catch {
    return undefined;
  }
}
