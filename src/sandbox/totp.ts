/**
 * Verifies one-time codes (RFC 6238). Shares no code with the daemon, so that a mistake there is found
 * here.
 */
import { createHmac, randomInt } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP_MS = 30_000;

/** Returns 160 random bits in base32, as authenticator apps take them. */
export function randomBase32(): string {
  return Array.from({ length: 32 }, () => ALPHABET[randomInt(32)]).join("");
}

/** Returns a check that accepts each current code (SHA-1, 6 digits, 30 s) once (RFC 6238 section 5.2). */
export function totpVerifier(secret: string, now: () => number): (code: string) => boolean {
  const key = Buffer.from(
    [...secret]
      .map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0"))
      .join("")
      .match(/.{8}/g)!
      .map((bits) => Number.parseInt(bits, 2)),
  );
  let usedStep = -1;
  return (code) => {
    const step = Math.floor(now() / STEP_MS);
    if (step === usedStep || code !== hotp(key, step)) return false;
    usedStep = step;
    return true;
  };
}

/** Computes a code (RFC 4226 section 5.3). */
function hotp(key: Buffer, counter: number): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const digest = createHmac("sha1", key).update(message).digest();
  const offset = digest[19]! & 0xf;
  const number = (digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000;
  return String(number).padStart(6, "0");
}
