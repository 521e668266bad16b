/** Computes one-time passwords from the clock (RFC 6238). */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { AuthdError } from "../errors.ts";

/** Identifies the one-time code of a moment (RFC 6238 section 4), without the code. */
export interface TimeStep {
  /** Equal for equal keys, digits and periods, however the secret is written. It is a secret itself. */
  key: string;
  /** One code holds for one step. */
  step: number;
  periodMs: number;
}

interface TotpKey {
  key: Buffer;
  algorithm: string;
  digits: number;
  /** Seconds. */
  period: number;
}

/**
 * Returns the code of this moment. `secret` is base32 as web pages show it (spaces, lower case and padding are
 * allowed) or a whole `otpauth://totp/…` URI; `now` is milliseconds since the epoch. Throws AuthdError
 * `invalid_params` if the secret is neither.
 */
export function totp(secret: string, now: number): string {
  const { key, algorithm, digits, period } = readSecret(secret);
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 1000 / period)));
  const mac = createHmac(algorithm, key).update(counter).digest();
  // RFC 4226 section 5.3: the last nibble says where the 31 bits are taken from.
  const offset = mac[mac.length - 1]! & 0x0f;
  const number = mac.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, "0");
}

/** Returns the time step of `now` (milliseconds since the epoch). Throws AuthdError as `totp` does. */
export function timeStepOf(secret: string, now: number): TimeStep {
  const { key, algorithm, digits, period } = readSecret(secret);
  return {
    key: [key.toString("base64"), algorithm, digits, period].join(" "),
    step: Math.floor(now / 1000 / period),
    periodMs: period * 1000,
  };
}

function readSecret(secret: string): TotpKey {
  const text = secret.trim();
  if (!/^otpauth:/i.test(text)) {
    return { key: base32(text), algorithm: "sha1", digits: 6, period: 30 };
  }
  const uri = URL.canParse(text) ? new URL(text) : undefined;
  const query = uri?.searchParams;
  const algorithm = (query?.get("algorithm") ?? "SHA1").toLowerCase().replace("-", "");
  const digits = Number(query?.get("digits") ?? 6);
  const period = Number(query?.get("period") ?? 30);
  const known = ["sha1", "sha256", "sha512"].includes(algorithm);
  if (uri?.host.toLowerCase() !== "totp" || !known) throw malformed();
  if (!isWithin(digits, 6, 10) || !isWithin(period, 1, 3600)) throw malformed();
  return { key: base32(query?.get("secret") ?? ""), algorithm, digits, period };
}

function isWithin(number: number, least: number, most: number): boolean {
  return Number.isInteger(number) && number >= least && number <= most;
}

/** Decodes base32 (RFC 4648 section 6). */
function base32(text: string): Buffer {
  const letters = text
    .replace(/[\s-]/g, "")
    .replace(/(?<!=)=+$/, "")
    .toUpperCase();
  if (!/^[A-Z2-7]+$/.test(letters)) throw malformed();
  const bytes: number[] = [];
  let bits = 0;
  let pending = 0;
  for (const letter of letters) {
    pending = ((pending << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((pending >> bits) & 0xff);
    }
  }
  if (bytes.length === 0) throw malformed();
  return Buffer.from(bytes);
}

function malformed(): AuthdError {
  return new AuthdError(
    "invalid_params",
    "otp_secret is neither base32 (letters and the digits 2 to 7) nor an otpauth://totp/ URI: enter the one that the service showed when two-factor sign-in was set up.",
  );
}
